// What the server says, as it says it (OpenAI's format and Glassbox's additions).

export interface ModelInfo {
  id: string;
  owned_by?: string;
  glassbox?: {
    parameters?: number;
    dtype?: string;
    context?: number;
    memory_bytes?: number;
    vocabulary?: number;
    has_chat_template?: boolean;
    adapter_of?: string; // the model that an adapter changes
    sampling?: Record<string, number>; // what is used where a request says nothing
    sampling_from?: Record<string, string>; // and whose setting each is: "model" or "glassbox"
  };
}

// A prompt as the model reads it: its text in pieces, each the template's own (trusted: its marks are control tokens) or
// from a message (plain text).
export interface Prompt {
  model: string;
  tokens: number;
  prompt: { text: string; trusted: boolean }[];
}

export interface LogprobEntry {
  token: string;
  bytes?: number[] | null;
  logprob: number;
  top_logprobs?: { token: string; bytes?: number[] | null; logprob: number }[];
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

export interface Timings {
  prefill_tokens_per_s?: number;
  decode_tokens_per_s?: number;
}

// A chunk of a streamed answer, chat or completion.
export interface Chunk {
  model?: string;
  choices?: {
    index: number;
    delta?: { role?: string; content?: string | null; reasoning_content?: string | null };
    text?: string;
    logprobs?: { content?: LogprobEntry[] | null } & Partial<LegacyLogprobs> | null;
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  timings?: Timings | null;
  seed?: number;
  error?: ServerError;
}

// How /v1/completions says it.
export interface LegacyLogprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[] | null;
}

export interface ServerError {
  message: string;
  type?: string;
  param?: string | null;
  code?: string | number | null;
}

export interface TrainingPoint {
  step: number;
  tokens?: number;
  loss: number;
  learning_rate?: number;
  tokens_per_s?: number;
  seconds?: number;
  [more: string]: number | undefined; // the norm of the gradient, ...
}

export interface TrainingRun {
  id: string; // its name, or its name and a number where several have it (set by the client)
  name: string;
  status: string;
  error?: string; // why it could not be read
  steps?: number; // in all
  tokens?: number;
  parameters?: number;
  kernels?: string;
  threads?: number;
  recipe: Record<string, unknown>;
  points: TrainingPoint[];
  evaluations?: ({ step: number } & Record<string, unknown>)[];
}

// Talking with the server this page came from. Every failure is an ApiError that says what to do with it.
import { SseParser } from './sse';
import type { Chunk, ModelInfo, Prompt, ServerError, TrainingRun } from './types';

export type Trouble =
  | 'unreachable' // no answer at all: try again later, nothing is lost
  | 'refused' // the server said no, and why
  | 'cut'; // an answer began and ended in the middle

export class ApiError extends Error {
  constructor(
    readonly trouble: Trouble,
    message: string,
    readonly code?: string,
    readonly status?: number,
  ) {
    super(message);
  }
}

// A server that is not on this machine alone asks for a key: kept by this browser, sent with every question.
const kKey = 'glassbox.key';
let key: string | null = null;
try {
  key = localStorage.getItem(kKey);
} catch {
  // Storage is forbidden: the key lasts as long as the page.
}

export function setKey(text: string): void {
  key = text || null;
  try {
    if (key) localStorage.setItem(kKey, key);
    else localStorage.removeItem(kKey);
  } catch {
    // As above.
  }
}

export const hasKey = () => key !== null;

const kUnreachable = 'Glassbox is not answering at this address.';

async function refusal(response: Response): Promise<ApiError> {
  // A proxy in front that finds nobody behind it says 502 to 504: that is the server away, not the server refusing.
  const away = response.status >= 502 && response.status <= 504;
  let error: ServerError | undefined;
  try {
    const said = (await response.json()).error as ServerError | string | undefined;
    // The hub says what is wrong as a text, and which kind of wrong in a header.
    error = typeof said === 'string' ? { message: said, code: response.headers.get('X-Error-Code') } : said;
  } catch {
    // Not ours to read: the status says it.
  }
  if (away && !error) return new ApiError('unreachable', kUnreachable, undefined, response.status);
  const code = error?.code ?? error?.type;
  return new ApiError('refused', error?.message ?? `The server answered ${response.status} ${response.statusText}.`, code === undefined || code === null ? undefined : String(code), response.status);
}

export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, key ? { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } } : init);
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiError('unreachable', kUnreachable);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function askJson<T>(path: string, seconds = 10): Promise<T> {
  const response = await ask(path, { signal: AbortSignal.timeout(seconds * 1000) }).catch((error: Error) => {
    throw error instanceof ApiError ? error : new ApiError('unreachable', kUnreachable); // a time-out aborts
  });
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError('refused', `${path} answered something that is not JSON: is this a Glassbox server?`);
  }
}

export const fetchModels = async () => (await askJson<{ data: ModelInfo[] }>('/v1/models')).data;

export async function fetchTraining(): Promise<TrainingRun[]> {
  const { runs } = await askJson<{ runs: Partial<TrainingRun>[] }>('/api/training');
  const seen = new Map<string, number>();
  return runs.map((run) => {
    const name = run.name ?? 'unnamed';
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { ...run, name, id: count > 1 ? `${name} (${count})` : name, status: run.status ?? 'unknown', recipe: run.recipe ?? {}, points: run.points ?? [] };
  });
}

// The prompt that a request to /v1/chat/completions with this body would give the model.
export async function fetchPrompt(body: string, signal: AbortSignal): Promise<Prompt> {
  const response = await ask('/api/prompt', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal });
  const prompt = (await response.json().catch(() => null)) as Prompt | null;
  if (!Array.isArray(prompt?.prompt) || prompt.prompt.some((piece) => typeof piece?.text !== 'string')) {
    throw new ApiError('refused', '/api/prompt answered something that is no prompt: is this a Glassbox server?');
  }
  return prompt;
}

export async function isHealthy(): Promise<boolean> {
  try {
    return (await fetch('/health', { cache: 'no-store', signal: AbortSignal.timeout(4000) })).ok;
  } catch {
    return false;
  }
}

// The chunks of a streamed answer as they come. Throws AbortError when `signal` fires, ApiError for all else; an answer
// that ends without having said why it ends was cut.
export async function* stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<Chunk> {
  const response = await ask(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify(body),
    signal,
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new SseParser();
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const event of parser.push(value)) {
        if (event.data === '[DONE]') return;
        const chunk = JSON.parse(event.data) as Chunk;
        if (chunk.error) {
          throw new ApiError('refused', chunk.error.message, String(chunk.error.code ?? chunk.error.type ?? ''));
        }
        finished ||= chunk.choices?.some((choice) => choice.finish_reason) ?? false;
        yield chunk;
      }
    }
  } catch (error) {
    if (error instanceof ApiError || (error as Error).name === 'AbortError' || signal.aborted) throw error;
    throw new ApiError('cut', 'The connection was lost in the middle of the answer. What had come is kept.');
  } finally {
    reader.cancel().catch(() => {});
  }
  if (!finished) throw new ApiError('cut', 'The server ended the answer in the middle. What had come is kept.');
}

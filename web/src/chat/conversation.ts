// A conversation is a tree: editing a question, asking again and branching from a token each add a sibling, and
// nothing is ever overwritten. Conversations are values: every function returns a new one and leaves its argument be.
import type { Timings, Usage } from '../api/types';
import { spell, type Alternative, type Token } from './tokens';

export interface Settings {
  temperature?: number; // absent: as the model's own generation_config says
  top_p?: number;
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  max_tokens?: number;
  seed?: number; // absent: drawn by the server for every answer, and returned
  system?: string;
}

export type Status = 'done' | 'streaming' | 'stopped' | 'interrupted' | 'failed';

export interface Message {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant';
  text: string;
  created: number; // milliseconds since 1970
  changed: number; // last, of what is above or below
  // Of answers:
  reasoning: string;
  tokens: Token[]; // of the raw text, the marks around the reasoning included; empty where the server gave none
  status: Status;
  model?: string;
  settings?: Settings;
  seed?: number;
  finish?: string;
  usage?: Usage;
  timings?: Timings;
  thinking_ms?: number;
  error?: { message: string; code?: string };
  leftOut?: string[]; // messages before it that were not read, to make room
  fork?: { of: string; at: number }; // branched from that answer: tokens before `at` are its, the one at `at` was chosen
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  model: string | null;
  settings: Settings;
  leftOut: string[]; // messages that the model no longer reads, to make room
  messages: Record<string, Message>;
  chosen: Record<string, string>; // for a message (or '' for the start): which of the messages that follow is shown
}

export function newId(length = 8): string {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789'; // 32, none mistaken for another
  // The first is a letter: keys that look like numbers would not keep their order in an object.
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte, i) => letters[i ? byte & 31 : byte % 24]).join('');
}

export function newConversation(model: string | null, settings: Settings, now = Date.now()): Conversation {
  return { id: newId(), title: '', created: now, updated: now, model, settings, leftOut: [], messages: {}, chosen: {} };
}

// The messages that follow `parent`, oldest first.
export function children(c: Conversation, parent: string | null): Message[] {
  return Object.values(c.messages).filter((message) => message.parent === parent);
}

export function siblings(c: Conversation, id: string): Message[] {
  const message = c.messages[id];
  return message ? children(c, message.parent) : [];
}

// The conversation as it is shown: from the start, along the chosen branches.
export function path(c: Conversation): Message[] {
  const shown: Message[] = [];
  let at: string | null = null;
  for (;;) {
    const next: string | undefined = c.chosen[at ?? ''];
    if (!next || c.messages[next]?.parent !== at) return shown;
    shown.push(c.messages[next]);
    at = next;
  }
}

// The messages before `id`, from the start, whichever branch is shown.
export function before(c: Conversation, id: string): Message[] {
  const up: Message[] = [];
  for (let at = c.messages[id]?.parent; at; at = c.messages[at]?.parent) up.unshift(c.messages[at]!);
  return up;
}

// Adds a message and shows it.
export function add(c: Conversation, message: Pick<Message, 'parent' | 'role' | 'text'> & Partial<Message>): [Conversation, Message] {
  const now = Date.now();
  const added: Message = { id: newId(6), created: now, changed: now, reasoning: '', tokens: [], status: 'done', ...message };
  const title = c.title || (added.role === 'user' ? titleOf(added.text) : '');
  const next = { ...c, title, updated: now, messages: { ...c.messages, [added.id]: added } };
  return [choose(next, added.id), added];
}

export function replace(c: Conversation, message: Message): Conversation {
  const now = Date.now();
  return { ...c, updated: now, messages: { ...c.messages, [message.id]: { ...message, changed: now } } };
}

// Shows the branch that `id` is on; below it, whatever was shown there last.
export function choose(c: Conversation, id: string): Conversation {
  const chosen = { ...c.chosen };
  for (let at: string | null | undefined = id; at; at = c.messages[at]?.parent) chosen[c.messages[at]!.parent ?? ''] = at;
  return { ...c, chosen };
}

export function titleOf(text: string): string {
  const line = text.trim().split('\n')[0]!.replace(/\s+/g, ' ');
  if (line.length <= 60) return line;
  const cut = line.slice(0, 60);
  return cut.slice(0, Math.max(cut.lastIndexOf(' '), 40)) + '…';
}

const kThinkOpen = '<think>';
const kThinkClose = '</think>';

// Raw text of an answer into reasoning and what is said. `open`: the text ends inside the reasoning.
export function splitThinking(raw: string): { reasoning: string; text: string; open: boolean } {
  const start = raw.match(/^\s*<think>/);
  if (!start) return { reasoning: '', text: raw, open: false };
  const inside = raw.slice(start[0].length);
  const end = inside.indexOf(kThinkClose);
  if (end < 0) return { reasoning: inside.replace(/^\n/, ''), text: '', open: true };
  return {
    reasoning: inside.slice(0, end).trim(),
    text: inside.slice(end + kThinkClose.length).replace(/^\s+/, ''),
    open: false,
  };
}

// Where a template opens the reasoning itself, the model's first token comes after the mark: the raw text needs it.
function opened(message: Message, raw: string): string {
  return message.reasoning && !/^\s*<think>/.test(raw) ? `${kThinkOpen}\n${raw}` : raw;
}

// The raw text of an answer, for the model to go on from.
export function rawText(message: Message): string {
  const spelled = message.tokens.length ? spell(message.tokens) : null;
  if (spelled !== null) return opened(message, spelled);
  if (!message.reasoning) return message.text;
  const closed = message.text || message.status === 'done' ? `\n${kThinkClose}\n\n` : '';
  return `${kThinkOpen}\n${message.reasoning}${closed}${message.text}`;
}

// What an answer began with that was branched: what `message` was to go on from. Null where it began with nothing.
export function begunWith(message: Message): string | null {
  if (!message.fork) return null;
  const spelled = spell(message.tokens.slice(0, message.fork.at + 1));
  return spelled === null ? null : opened(message, spelled);
}

export interface Branch {
  raw: string; // what the answer begins with
  tokens: Token[];
}

// What an answer begins with that says what `message` said before token `at`, and then `instead`.
// Null where that would end within a character: no text can be continued from there.
export function branchFrom(message: Message, at: number, instead: Alternative): Branch | null {
  const original = message.tokens[at];
  if (!original) return null;
  const tokens = [...message.tokens.slice(0, at), { ...instead, top: original.top }];
  const raw = spell(tokens);
  return raw === null ? null : { raw: opened(message, raw), tokens };
}

// Answers that left `message` at a token, by that token's index.
export function forks(c: Conversation, message: Message): Map<number, Message[]> {
  const found = new Map<number, Message[]>();
  for (const other of siblings(c, message.id)) {
    if (other.fork?.of === message.id) found.set(other.fork.at, [...(found.get(other.fork.at) ?? []), other]);
  }
  return found;
}

export interface ApiMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

// What the model is to read. What it thought in earlier answers is not part of it: templates drop it, and so do we.
export function apiMessages(messages: readonly Message[], system: string | undefined): ApiMessage[] {
  const list: ApiMessage[] = system?.trim() ? [{ role: 'system', content: system }] : [];
  for (const { role, text } of messages) list.push({ role, content: text });
  return list;
}

// The same for a model without a chat template: one text, as it stands.
export function rawPrompt(messages: readonly Message[]): string {
  return messages.map((message) => (message.role === 'assistant' ? rawText(message) : message.text)).join('');
}

// What of `messages` the model reads: all but what was left out, and questions that were never answered.
export function readOf(messages: readonly Message[], leftOut: readonly string[]): Message[] {
  const unread = new Set<string | null>(leftOut);
  for (const message of messages) {
    if (message.role !== 'assistant' || message.status !== 'failed' || message.text || message.reasoning) continue;
    unread.add(message.id);
    unread.add(message.parent);
  }
  return messages.filter((message) => !unread.has(message.id));
}

// Questions with what answered them, as they follow each other.
export function turnsOf(messages: readonly Message[]): Message[][] {
  const turns: Message[][] = [];
  for (const message of messages) {
    if (message.role === 'user' || !turns.length) turns.push([message]);
    else turns.at(-1)!.push(message);
  }
  return turns;
}

// Leaves out the oldest turns that are shown and still read, until the rest needs at most `room` by `cost`: one at least,
// the last never. Null where none is left to leave out.
export function leaveOutOldest(c: Conversation, room: number, cost: (message: Message) => number): Conversation | null {
  const shown = path(c);
  const answer = shown.at(-1)?.role === 'assistant' ? shown.pop()! : null; // to the last turn, which stays
  const turns = turnsOf(readOf(shown, c.leftOut));
  const leftOut = [...c.leftOut];
  let needed = turns.flat().reduce((sum, message) => sum + cost(message), answer ? cost(answer) : 0);
  for (const turn of turns.slice(0, -1)) {
    if (leftOut.length > c.leftOut.length && needed <= room) break;
    leftOut.push(...turn.map((message) => message.id));
    needed -= turn.reduce((sum, message) => sum + cost(message), 0);
  }
  return leftOut.length > c.leftOut.length ? { ...c, updated: Date.now(), leftOut } : null;
}

// How full the context was when `message` ended: prompt and answer. Undefined where the server did not say.
export const usedBy = (message: Message): number | undefined => message.usage && message.usage.prompt_tokens + message.usage.completion_tokens;

// Tokens that the next answer's prompt has at least, as far as answers on the way say it: the last that read the same.
export function knownTokens(messages: readonly Message[], leftOut: readonly string[], model: string | null): number {
  const last = messages.findLast((message) => message.usage && readTheSame(message, leftOut, model));
  return last ? usedBy(last)! : 0;
}

const readTheSame = (message: Message, leftOut: readonly string[], model: string | null) =>
  message.model === model && (message.leftOut ?? []).join() === leftOut.join();

// Letters that stand for a token in this conversation, by the prompt of its last answer; 3 where none says.
export function lettersPerToken(c: Conversation): number {
  const answered = path(c).findLast((message) => message.usage);
  if (!answered) return 3;
  const read = readOf(before(c, answered.id), answered.leftOut ?? []);
  const letters = read.reduce((sum, message) => sum + message.text.length, answered.settings?.system?.length ?? 0);
  return Math.min(8, Math.max(0.5, letters / answered.usage!.prompt_tokens)) || 3;
}

// How much of the context the conversation needs as it is shown: what the last answer's usage says, and what was written
// since by its length. Null before anything is known.
export function contextUsed(c: Conversation, model: string | null): { tokens: number; exact: boolean } | null {
  const shown = path(c);
  if (!shown.some((message) => message.usage)) return null;
  const at = shown.findLastIndex((message) => message.usage && readTheSame(message, c.leftOut, model));
  const since = readOf(shown.slice(at + 1), c.leftOut);
  const letters = since.reduce((sum, message) => sum + message.text.length + (message.status === 'streaming' ? message.reasoning.length : 0), 0);
  return { tokens: (at < 0 ? 0 : usedBy(shown[at]!)!) + Math.round(letters / lettersPerToken(c)), exact: at >= 0 && letters === 0 };
}

// Whether an answer ended before the model was done, so that it can go on.
export const canContinue = (answer: Message): boolean =>
  answer.status !== 'streaming' && (answer.text !== '' || answer.reasoning !== '') && (answer.status !== 'done' || answer.finish === 'length');

export const kContextFull = 'context_length_exceeded'; // the server's code where a prompt leaves no room for an answer

// Whether `answer` is not there, or not whole, because the context has no more room; `context` in tokens, where known.
export function filledContext(answer: Message, context: number | undefined): boolean {
  if (answer.error) return answer.error.code === kContextFull;
  const used = usedBy(answer);
  return answer.finish === 'length' && context !== undefined && used !== undefined && used >= context;
}

// Conversations as they are kept and handed on: packed small, and read as if anybody may have written them. Storage is the
// browser's and files are a stranger's, so every field is checked, what is not known is dropped, and a fault says where.
import type { Alternative, Token } from './tokens';
import type { Conversation, Message, Settings, Status } from './conversation';
import { kSettings } from './settings';

export class BadRecord extends Error {}

// A token as [text, log probability, [other, log probability, ...], bytes, bytes of others by index].
type PackedToken = [string, number | null, (string | number | null)[], number[]?, Record<number, number[]>?];

const round = (logprob: number) => (Number.isFinite(logprob) ? Math.round(logprob * 1000) / 1000 : null);

function packToken(token: Token, withOthers: boolean): PackedToken {
  const others = withOthers ? token.top : [];
  const packed: PackedToken = [token.text, round(token.logprob), others.flatMap((other) => [other.text, round(other.logprob)])];
  const bytes = Object.fromEntries(others.flatMap((other, i) => (other.bytes ? [[i, other.bytes]] : [])));
  if (token.bytes || Object.keys(bytes).length) packed[3] = token.bytes ?? [];
  if (Object.keys(bytes).length) packed[4] = bytes;
  return packed;
}

export function pack(c: Conversation, withOthers = true): string {
  const messages = Object.values(c.messages).map((message) => ({
    ...message,
    tokens: message.tokens.map((token) => packToken(token, withOthers)),
  }));
  return JSON.stringify({ ...c, messages, version: 1 });
}

// Null for what is not one of ours.
export function unpack(text: string): Conversation | null {
  try {
    return readConversation(JSON.parse(text), '');
  } catch {
    return null;
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = Array.isArray(value) ? 'a list' : typeof value === 'object' && value ? 'an object' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function refuse(where: string, expected: string, got: unknown): never {
  throw new BadRecord(`${where || 'conversation'}: expected ${expected}, got ${shown(got)}`);
}

const inside = (where: string, name: string | number) => (typeof name === 'number' ? `${where}[${name}]` : where ? `${where}.${name}` : name);

export function object(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(where, 'an object', value);
  return value as Record<string, unknown>;
}

export function list(value: unknown, where: string): unknown[] {
  return Array.isArray(value) ? value : refuse(where, 'a list', value);
}

function text(value: unknown, where: string, most = Infinity): string {
  if (typeof value !== 'string') refuse(where, 'a text', value);
  if (value.length > most) refuse(where, `at most ${most} letters`, `${value.length} letters`);
  return value;
}

interface Bounds {
  min?: number;
  max?: number;
  whole?: boolean;
}

function number(value: unknown, where: string, { min = 0, max = Number.MAX_VALUE, whole = false }: Bounds = {}): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max || (whole && !Number.isInteger(value))) {
    const bounds = max === Number.MAX_VALUE ? `${min} or more` : `from ${min} to ${max}`;
    refuse(where, `a ${whole ? 'whole ' : ''}number ${bounds}`, value);
  }
  return value;
}

// As newId() makes them. Names that every object has are none.
function id(value: unknown, where: string): string {
  if (typeof value !== 'string' || !/^[a-z][a-z0-9]{0,31}$/.test(value) || value in Object.prototype) refuse(where, 'an id: a letter, then letters a-z and digits', value);
  return value;
}

const optional = <T>(value: unknown, read: (value: unknown) => T): T | undefined => (value === undefined || value === null ? undefined : read(value));

const time = (value: unknown, where: string) => number(value, where, { max: 8.64e15 });

// A title is a line: what would break it, or turn its direction, is not part of it.
const line = (value: string) => value.replace(/[\u0000-\u001f\u007f\u2028-\u202e\u2066-\u2069]/g, ' ').slice(0, 200);

const logprob = (value: unknown, where: string) => (value === null ? -Infinity : number(value, where, { min: -Number.MAX_VALUE }));

const bytes = (value: unknown, where: string) => list(value, where).map((byte, i) => number(byte, inside(where, i), { max: 255, whole: true }));

function readToken(value: unknown, where: string): Token {
  const [said, p, others, own, ofOthers] = list(value, where);
  const flat = list(others, inside(where, 2));
  const owned = optional(ofOthers, (some) => object(some, inside(where, 4))) ?? {};
  const top: Alternative[] = [];
  if (flat.length % 2) refuse(inside(where, 2), 'pairs of a text and a number', flat);
  for (let i = 0; i < flat.length; i += 2) {
    const other: Alternative = { text: text(flat[i], inside(inside(where, 2), i)), logprob: logprob(flat[i + 1], inside(inside(where, 2), i + 1)) };
    const itsBytes = Object.hasOwn(owned, i / 2) ? bytes(owned[i / 2], inside(inside(where, 4), String(i / 2))) : undefined;
    top.push(itsBytes ? { ...other, bytes: itsBytes } : other);
  }
  const token: Token = { text: text(said, inside(where, 0)), logprob: logprob(p, inside(where, 1)), top };
  const itsBytes = optional(own, (some) => bytes(some, inside(where, 3)));
  return itsBytes?.length ? { ...token, bytes: itsBytes } : token;
}

function readSettings(value: unknown, where: string): Settings {
  const given = object(value, where);
  const settings: Settings = {};
  for (const { key, min, max, step } of kSettings) {
    const set = optional(given[key], (some) => number(some, inside(where, key), { min, max, whole: step === 1 }));
    if (set !== undefined) settings[key] = set;
  }
  const system = optional(given.system, (some) => text(some, inside(where, 'system')));
  return system === undefined ? settings : { ...settings, system };
}

const kStatuses: Status[] = ['done', 'streaming', 'stopped', 'interrupted', 'failed'];

function readMessage(value: unknown, where: string): Message {
  const given = object(value, where);
  const at = (name: string) => inside(where, name);
  const { role } = given;
  if (role !== 'user' && role !== 'assistant') refuse(at('role'), '"user" or "assistant"', role);
  const status = (given.status ?? 'done') as Status;
  if (!kStatuses.includes(status)) refuse(at('status'), `one of ${kStatuses.join(', ')}`, status);
  const created = time(given.created, at('created'));
  const message: Message = {
    id: id(given.id, at('id')),
    parent: optional(given.parent, (some) => id(some, at('parent'))) ?? null,
    role,
    text: text(given.text, at('text')),
    created,
    changed: optional(given.changed, (some) => time(some, at('changed'))) ?? created,
    reasoning: optional(given.reasoning, (some) => text(some, at('reasoning'))) ?? '',
    tokens: (optional(given.tokens, (some) => list(some, at('tokens'))) ?? []).map((token, i) => readToken(token, inside(at('tokens'), i))),
    // Whoever was streaming it is gone: the page was reloaded or closed.
    status: status === 'streaming' ? 'interrupted' : status,
  };
  const count = (some: unknown, name: string) => number(some, name, { whole: true });
  const more: Partial<Message> = {
    model: optional(given.model, (some) => line(text(some, at('model')))),
    settings: optional(given.settings, (some) => readSettings(some, at('settings'))),
    seed: optional(given.seed, (some) => number(some, at('seed'))),
    finish: optional(given.finish, (some) => line(text(some, at('finish')))),
    usage: optional(given.usage, (some) => {
      const usage = object(some, at('usage'));
      return { prompt_tokens: count(usage.prompt_tokens, at('usage.prompt_tokens')), completion_tokens: count(usage.completion_tokens, at('usage.completion_tokens')) };
    }),
    timings: optional(given.timings, (some) => {
      const timings = object(some, at('timings'));
      const rate = (name: string) => optional(timings[name], (one) => number(one, at(`timings.${name}`)));
      return { prefill_tokens_per_s: rate('prefill_tokens_per_s'), decode_tokens_per_s: rate('decode_tokens_per_s') };
    }),
    thinking_ms: optional(given.thinking_ms, (some) => number(some, at('thinking_ms'))),
    error: optional(given.error, (some) => {
      const error = object(some, at('error'));
      const code = optional(error.code, (one) => text(one, at('error.code')));
      return { message: text(error.message, at('error.message')), ...(code !== undefined && { code }) };
    }),
    leftOut: optional(given.leftOut, (some) => list(some, at('leftOut')).map((one, i) => id(one, inside(at('leftOut'), i)))),
    fork: optional(given.fork, (some) => {
      const fork = object(some, at('fork'));
      return { of: id(fork.of, at('fork.of')), at: count(fork.at, at('fork.at')) };
    }),
  };
  for (const [name, value] of Object.entries(more)) if (value !== undefined) Object.assign(message, { [name]: value });
  return message;
}

// The conversation that `value` is. Throws BadRecord that names the field at fault.
export function readConversation(value: unknown, where: string): Conversation {
  const given = object(value, where);
  const at = (name: string) => inside(where, name);
  if (given.version !== 1) refuse(at('version'), '1', given.version);
  const messages = new Map<string, Message>();
  for (const [i, one] of list(given.messages, at('messages')).entries()) {
    const message = readMessage(one, inside(at('messages'), i));
    if (messages.has(message.id)) refuse(`${inside(at('messages'), i)}.id`, 'an id of its own', message.id);
    messages.set(message.id, message);
  }
  // Every message hangs, by its parents, from the start.
  const hangs = new Set<string>();
  for (const [i, message] of [...messages.values()].entries()) {
    const up: string[] = [];
    for (let one: Message | undefined = message; one && !hangs.has(one.id); one = one.parent === null ? undefined : messages.get(one.parent)) {
      if (one.parent !== null && !messages.has(one.parent)) refuse(`${inside(at('messages'), i)}.parent`, 'the id of a message', one.parent);
      if (up.length > messages.size) refuse(`${inside(at('messages'), i)}.parent`, 'a message before it', one.parent);
      up.push(one.id);
    }
    up.forEach((one) => hangs.add(one));
  }
  const chosen: Record<string, string> = {};
  for (const [parent, child] of Object.entries(optional(given.chosen, (some) => object(some, at('chosen'))) ?? {})) {
    const message = messages.get(String(child));
    if (!message || (message.parent ?? '') !== parent) refuse(inside(at('chosen'), line(parent)), 'a message that follows it', child);
    chosen[parent] = message.id;
  }
  return {
    id: id(given.id, at('id')),
    title: line(text(given.title, at('title'))),
    created: time(given.created, at('created')),
    updated: time(given.updated, at('updated')),
    model: optional(given.model, (some) => line(text(some, at('model')))) ?? null,
    settings: readSettings(given.settings ?? {}, at('settings')),
    leftOut: (optional(given.leftOut, (some) => list(some, at('leftOut'))) ?? []).map((one, i) => id(one, inside(at('leftOut'), i))),
    messages: Object.fromEntries(messages),
    chosen,
  };
}

// Two states of one conversation as one: every message of both, each as it was changed last (`stored` where neither was
// later), in the order they were written in. How it is shown and asked with is as in `mine`.
export function merge(mine: Conversation, stored: Conversation): Conversation {
  const messages = new Map(Object.entries(stored.messages));
  for (const message of Object.values(mine.messages)) {
    const other = messages.get(message.id);
    if (!other || message.changed > other.changed) messages.set(message.id, message);
  }
  const inOrder = [...messages.values()].sort((a, b) => a.created - b.created);
  return {
    ...mine,
    title: mine.title || stored.title,
    created: Math.min(mine.created, stored.created),
    updated: Math.max(mine.updated, stored.updated),
    messages: Object.fromEntries(inOrder.map((message) => [message.id, message])),
    chosen: { ...stored.chosen, ...mine.chosen },
  };
}

// Conversations in the browser's storage: a line each in an index, and each packed small, for there are 5 MB in all.
import type { Conversation, Message } from './conversation';
import type { Alternative, Token } from './tokens';

export interface Summary {
  id: string;
  title: string;
  updated: number;
}

// A token as [text, log probability, [other, log probability, ...], bytes, bytes of others by index].
type PackedToken = [string, number | null, (string | number | null)[], number[]?, Record<number, number[]>?];

const round = (logprob: number) => (Number.isFinite(logprob) ? Math.round(logprob * 1000) / 1000 : null);
const unround = (packed: number | null) => packed ?? -Infinity;

function packToken(token: Token, withOthers: boolean): PackedToken {
  const others = withOthers ? token.top : [];
  const packed: PackedToken = [token.text, round(token.logprob), others.flatMap((other) => [other.text, round(other.logprob)])];
  const bytes = Object.fromEntries(others.flatMap((other, i) => (other.bytes ? [[i, other.bytes]] : [])));
  if (token.bytes || Object.keys(bytes).length) packed[3] = token.bytes ?? [];
  if (Object.keys(bytes).length) packed[4] = bytes;
  return packed;
}

function unpackToken([text, logprob, others, bytes, otherBytes]: PackedToken): Token {
  const top: Alternative[] = [];
  for (let i = 0; i + 1 < others.length; i += 2) {
    const other: Alternative = { text: others[i] as string, logprob: unround(others[i + 1] as number | null) };
    const own = otherBytes?.[i / 2];
    top.push(own ? { ...other, bytes: own } : other);
  }
  const token: Token = { text, logprob: unround(logprob), top };
  return bytes?.length ? { ...token, bytes } : token;
}

export function pack(c: Conversation, withOthers = true): string {
  const messages = Object.values(c.messages).map((message) => ({
    ...message,
    tokens: message.tokens.map((token) => packToken(token, withOthers)),
  }));
  return JSON.stringify({ ...c, messages, version: 1 });
}

// Null for what is not one of ours: storage is the browser's, and may hold anything.
export function unpack(text: string): Conversation | null {
  try {
    const { version, messages, ...rest } = JSON.parse(text);
    if (version !== 1 || !Array.isArray(messages)) return null;
    const list: Message[] = messages.map((message: Message & { tokens: unknown }) => ({
      ...message,
      tokens: (message.tokens as unknown as PackedToken[]).map(unpackToken),
      // Whoever was streaming it is gone: this page was reloaded or closed.
      status: message.status === 'streaming' ? 'interrupted' : message.status,
    }));
    return { leftOut: [], ...rest, messages: Object.fromEntries(list.map((message) => [message.id, message])) };
  } catch {
    return null;
  }
}

const kIndex = 'glassbox.conversations';
const kLastModel = 'glassbox.model';
const keyOf = (id: string) => `glassbox.conversation.${id}`;
const draftOf = (id: string | null) => `glassbox.draft.${id ?? 'new'}`;

export class ConversationStorage {
  constructor(private readonly storage: Storage) {}

  list(): Summary[] {
    try {
      const list = JSON.parse(this.storage.getItem(kIndex) ?? '[]');
      return Array.isArray(list) ? list : [];
    } catch {
      return [];
    }
  }

  load(id: string): Conversation | null {
    const text = this.storage.getItem(keyOf(id));
    return text === null ? null : unpack(text);
  }

  // Saves, and returns what had to be given up for it, if anything, in words for the person.
  save(c: Conversation): string | null {
    const others = this.list().filter((other) => other.id !== c.id);
    const list = [{ id: c.id, title: c.title, updated: c.updated }, ...others].sort((a, b) => b.updated - a.updated);
    const write = (withOthers: boolean) => {
      this.storage.setItem(keyOf(c.id), pack(c, withOthers));
      this.storage.setItem(kIndex, JSON.stringify(list));
    };
    if (this.#fits(() => write(true))) return null;
    // Alternatives are most of the bytes: those of the oldest conversations go first.
    for (const { id } of others.sort((a, b) => a.updated - b.updated)) {
      const old = this.load(id);
      if (old) this.#fits(() => this.storage.setItem(keyOf(id), pack(old, false)));
      if (this.#fits(() => write(true))) return 'The browser’s storage is full: older conversations keep their text and lose their alternatives.';
    }
    if (this.#fits(() => write(false))) return 'The browser’s storage is full: this conversation is kept without its alternatives.';
    return 'The browser’s storage is full: this conversation is not kept. Delete others to make room.';
  }

  delete(id: string): void {
    this.storage.removeItem(keyOf(id));
    this.storage.removeItem(draftOf(id));
    this.storage.setItem(kIndex, JSON.stringify(this.list().filter((other) => other.id !== id)));
  }

  // What is typed and not yet sent, of a conversation or (null) of the one not yet begun.
  draft(id: string | null): string {
    return this.storage.getItem(draftOf(id)) ?? '';
  }

  setDraft(id: string | null, text: string): void {
    if (text) this.#fits(() => this.storage.setItem(draftOf(id), text));
    else this.storage.removeItem(draftOf(id));
  }

  // The model last asked: the next conversation begins with it.
  get lastModel(): string | null {
    return this.storage.getItem(kLastModel);
  }

  set lastModel(id: string) {
    this.#fits(() => this.storage.setItem(kLastModel, id));
  }

  #fits(write: () => void): boolean {
    try {
      write();
      return true;
    } catch {
      return false; // QuotaExceededError, by whichever name the browser gives it
    }
  }
}

// Where a browser forbids storage, the page works and forgets.
export class ForgetfulStorage implements Storage {
  #items = new Map<string, string>();
  get length() {
    return this.#items.size;
  }
  clear = () => this.#items.clear();
  getItem = (key: string) => this.#items.get(key) ?? null;
  key = (index: number) => [...this.#items.keys()][index] ?? null;
  removeItem = (key: string) => void this.#items.delete(key);
  setItem = (key: string, value: string) => void this.#items.set(key, value);
}

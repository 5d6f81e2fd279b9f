// The conversations of this browser. Several tabs may hold the same one: what each saves is merged with what is stored.
import { path, type Conversation } from './conversation';
import { merge, pack, unpack } from './records';
import { kRecord, StorageFull, StorageShelf, type Entry, type Shelf, type Summary } from './shelf';

export interface Saved {
  stored: Conversation | null; // as it is now, with what other tabs added; null where it was deleted meanwhile, or not saved
  notice: string | null; // what had to be given up, in words for the person
}

const summaryOf = (c: Conversation): Summary => ({ id: c.id, title: c.title, updated: c.updated });
const newestFirst = (a: Summary, b: Summary) => b.updated - a.updated;

export class ConversationStorage {
  #known = new Set<string>(); // stored once: where it is not any more, another tab deleted it
  #written = new Map<string, string>(); // what this tab wrote last: as long as it is there, nobody else wrote
  #texts = new Map<string, { updated: number; text: string }>(); // for the search

  constructor(
    private readonly shelf: Shelf,
    private readonly small: Storage,
  ) {}

  get forgets(): boolean {
    return this.shelf.forgets;
  }

  async list(): Promise<Summary[]> {
    return (await this.shelf.list()).sort(newestFirst);
  }

  async load(id: string): Promise<Conversation | null> {
    const text = await this.shelf.load(id);
    const c = text === null ? null : unpack(text);
    if (c?.id !== id) return null;
    this.#known.add(id);
    return c;
  }

  // Saves, with what is stored. `anew`: brings back what was deleted.
  async save(c: Conversation, anew = false): Promise<Saved> {
    let stored: Conversation | null = null;
    let written = '';
    const put = (withOthers: boolean) =>
      this.shelf.update(c.id, (text) => {
        const other = text === null || text === this.#written.get(c.id) ? null : unpack(text);
        stored = null;
        if (text === null && this.#known.has(c.id) && !anew) return null;
        stored = other ? merge(c, other) : c;
        const entry = entryOf(stored, withOthers);
        written = entry.text;
        return entry;
      });
    const saved = (notice: string | null): Saved => {
      if (stored) {
        this.#known.add(c.id);
        this.#written.set(c.id, written);
      }
      return { stored, notice };
    };
    if (await fits(put(true))) return saved(null);
    // Alternatives are most of the bytes: those of the oldest conversations go first.
    for (const { id } of (await this.list()).reverse()) {
      if (id === c.id) continue;
      await fits(this.#withoutOthers(id));
      if (await fits(put(true))) return saved('The browser’s storage is full: older conversations keep their text and lose their alternatives.');
    }
    if (await fits(put(false))) return saved('The browser’s storage is full: this conversation is kept without its alternatives.');
    return { stored: null, notice: 'The browser’s storage is full: this conversation is not kept. Export it, or delete others to make room.' };
  }

  #withoutOthers(id: string): Promise<void> {
    return this.shelf.update(id, (text) => {
      const old = text === null ? null : unpack(text);
      return old && entryOf(old, false);
    });
  }

  // Takes in a conversation from elsewhere: adds what is not here, and changes nothing that is. False where there is no room.
  async adopt(c: Conversation): Promise<boolean> {
    const put = this.shelf.update(c.id, (text) => {
      const here = text === null ? null : unpack(text);
      return entryOf(here ? adopted(here, c) : c, true);
    });
    if (!(await fits(put))) return false;
    this.#known.add(c.id);
    return true;
  }

  async delete(id: string): Promise<void> {
    this.small.removeItem(draftOf(id));
    this.small.removeItem(kRecord + id); // what a page left behind
    this.#texts.delete(id);
    await this.shelf.delete(id);
  }

  // What was said in a conversation, as one line of text.
  async textOf({ id, updated }: Summary): Promise<string> {
    const known = this.#texts.get(id);
    if (known?.updated === updated) return known.text;
    const c = await this.load(id);
    const text = c ? path(c).map((message) => message.text).join(' ').replace(/\s+/g, ' ') : '';
    this.#texts.set(id, { updated, text });
    return text;
  }

  // Takes in what pages left behind, and what older versions kept in the small storage. Returns how many.
  async takeIn(): Promise<number> {
    if (this.shelf instanceof StorageShelf) return 0; // it is there already
    const keys = Array.from({ length: this.small.length }, (_, i) => this.small.key(i)!).filter((key) => key.startsWith(kRecord));
    let taken = 0;
    for (const key of keys) {
      const text = this.small.getItem(key);
      const c = text === null ? null : unpack(text);
      if (!c) continue; // it stays where it is, and so does what does not fit
      const put = this.shelf.update(c.id, (stored) => {
        const other = stored === null ? null : unpack(stored);
        return entryOf(other ? merge(c, other) : c, true);
      });
      if (!(await fits(put))) continue;
      taken++;
      if (this.small.getItem(key) === text) this.small.removeItem(key);
    }
    this.small.removeItem('glassbox.conversations');
    return taken;
  }
}

const draftOf = (id: string | null) => `glassbox.draft.${id ?? 'new'}`;

const entryOf = (c: Conversation, withOthers: boolean): Entry => ({ text: pack(c, withOthers), summary: summaryOf(c) });

// What is here stays as it is; what hangs from it, or beside it, is added.
function adopted(here: Conversation, from: Conversation): Conversation {
  const messages = { ...from.messages, ...here.messages };
  const inOrder = Object.values(messages).sort((a, b) => a.created - b.created);
  const follows = ([parent, child]: [string, string]) => (messages[child]!.parent ?? '') === parent;
  return {
    ...here,
    updated: Math.max(here.updated, from.updated),
    messages: Object.fromEntries(inOrder.map((message) => [message.id, message])),
    chosen: { ...Object.fromEntries(Object.entries(from.chosen).filter(follows)), ...here.chosen },
  };
}

async function fits(write: Promise<void>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof StorageFull) return false;
    throw error;
  }
}

// A page that goes away may not get to finish a transaction: what it has is left in the small storage, where the next page
// finds it (takeIn).
export function leaveBehind(small: Storage, c: Conversation): void {
  for (const withOthers of [true, false]) {
    try {
      return small.setItem(kRecord + c.id, pack(c, withOthers));
    } catch {
      // Too long for it: without alternatives, or not at all.
    }
  }
}

// What must be at hand at once: drafts, and the model last asked, with which the next conversation begins.
export class Drafts {
  constructor(private readonly small: Storage) {}

  // What is typed and not yet sent, of a conversation or (null) of the one not yet begun.
  of(id: string | null): string {
    return this.small.getItem(draftOf(id)) ?? '';
  }

  set(id: string | null, text: string): void {
    if (text) this.#trySet(draftOf(id), text);
    else this.small.removeItem(draftOf(id));
  }

  get lastModel(): string | null {
    return this.small.getItem('glassbox.model');
  }

  set lastModel(id: string) {
    this.#trySet('glassbox.model', id);
  }

  #trySet(key: string, text: string): void {
    try {
      this.small.setItem(key, text);
    } catch {
      // Full: it lasts as long as the page.
    }
  }
}

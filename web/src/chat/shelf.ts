// Where records are kept: a text by its id, and a line of each for the list. IndexedDB where the browser has it, else its
// small storage, else memory, which lasts as long as the page.

export interface Summary {
  id: string;
  title: string;
  updated: number;
}

export interface Entry {
  text: string;
  summary: Summary;
}

// There is no room left.
export class StorageFull extends Error {}

export interface Shelf {
  readonly forgets: boolean; // what is kept ends with the page
  list(): Promise<Summary[]>; // in no order
  load(id: string): Promise<string | null>;
  // Puts what `next` makes of what is stored (null: nothing is; returns null: leave it be), in one step that no other tab
  // comes between. Throws StorageFull.
  update(id: string, next: (stored: string | null) => Entry | null): Promise<void>;
  delete(id: string): Promise<void>;
}

const asSummaries = (value: unknown): Summary[] =>
  (Array.isArray(value) ? value : []).filter((one) => typeof one?.id === 'string' && typeof one.title === 'string' && typeof one.updated === 'number');

// In the browser's small storage, or anything that works like it.
const kIndex = 'glassbox.conversations';
export const kRecord = 'glassbox.conversation.';

export class StorageShelf implements Shelf {
  constructor(
    private readonly storage: Storage,
    readonly forgets = false,
  ) {}

  async list(): Promise<Summary[]> {
    return this.#index();
  }

  async load(id: string): Promise<string | null> {
    return this.storage.getItem(kRecord + id);
  }

  async update(id: string, next: (stored: string | null) => Entry | null): Promise<void> {
    const entry = next(this.storage.getItem(kRecord + id));
    if (!entry) return;
    const index = [...this.#index().filter((one) => one.id !== id), entry.summary];
    try {
      this.storage.setItem(kRecord + id, entry.text);
      this.storage.setItem(kIndex, JSON.stringify(index));
    } catch {
      throw new StorageFull('the browser’s storage is full'); // by whichever name the browser gives it
    }
  }

  async delete(id: string): Promise<void> {
    this.storage.removeItem(kRecord + id);
    this.storage.setItem(kIndex, JSON.stringify(this.#index().filter((one) => one.id !== id)));
  }

  #index(): Summary[] {
    try {
      return asSummaries(JSON.parse(this.storage.getItem(kIndex) ?? '[]'));
    } catch {
      return [];
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

const kTexts = 'conversations';
const kSummaries = 'summaries';

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

class IndexedShelf implements Shelf {
  readonly forgets = false;
  #database: IDBDatabase | null = null;

  async list(): Promise<Summary[]> {
    const database = await this.open();
    return asSummaries(await answered(database.transaction(kSummaries).objectStore(kSummaries).getAll()));
  }

  async load(id: string): Promise<string | null> {
    const database = await this.open();
    const found: unknown = await answered(database.transaction(kTexts).objectStore(kTexts).get(id));
    return typeof found === 'string' ? found : null;
  }

  async update(id: string, next: (stored: string | null) => Entry | null): Promise<void> {
    await this.#write((texts, summaries) => {
      const stored = texts.get(id);
      stored.onsuccess = () => {
        const entry = next(typeof stored.result === 'string' ? stored.result : null);
        if (!entry) return;
        texts.put(entry.text, id);
        summaries.put(entry.summary);
      };
    });
  }

  async delete(id: string): Promise<void> {
    await this.#write((texts, summaries) => {
      texts.delete(id);
      summaries.delete(id);
    });
  }

  async #write(body: (texts: IDBObjectStore, summaries: IDBObjectStore) => void): Promise<void> {
    const database = await this.open();
    const transaction = database.transaction([kTexts, kSummaries], 'readwrite');
    const over = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => {
        const error = transaction.error;
        reject(error && /quota/i.test(error.name) ? new StorageFull(error.message) : (error ?? new Error('the browser ended the writing')));
      };
    });
    body(transaction.objectStore(kTexts), transaction.objectStore(kSummaries));
    return over;
  }

  // The browser may close a database by itself: it is opened again when it is needed.
  async open(): Promise<IDBDatabase> {
    if (this.#database) return this.#database;
    const request = indexedDB.open('glassbox', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(kTexts);
      request.result.createObjectStore(kSummaries, { keyPath: 'id' });
    };
    const database = await answered(request);
    const gone = () => (this.#database = null);
    database.onclose = gone;
    database.onversionchange = () => {
      database.close(); // a newer page wants it
      gone();
    };
    return (this.#database = database);
  }
}

// The best that this browser has. `small` is its localStorage, or stands in for it where that is forbidden.
export async function openShelf(small: Storage): Promise<Shelf> {
  try {
    const shelf = new IndexedShelf();
    await shelf.open();
    return shelf;
  } catch {
    return new StorageShelf(small, small instanceof ForgetfulStorage);
  }
}

export function smallStorage(): Storage {
  try {
    localStorage.setItem('glassbox.try', '1');
    localStorage.removeItem('glassbox.try');
    return localStorage;
  } catch {
    return new ForgetfulStorage();
  }
}

import { describe, expect, it } from 'vitest';
import { add, path } from './conversation';
import { conversation } from './testing';
import { ForgetfulStorage, StorageFull, StorageShelf, type Entry, type Shelf } from './shelf';
import { ConversationStorage, Drafts, leaveBehind } from './storage';

// As much room as asked for, counted as browsers count it: UTF-16 units of keys and values.
class SmallStorage extends ForgetfulStorage {
  constructor(private readonly room: number) {
    super();
    const set = this.setItem;
    this.setItem = (key, value) => {
      let used = key.length + value.length;
      for (let i = 0; i < this.length; i++) if (this.key(i) !== key) used += this.key(i)!.length + this.getItem(this.key(i)!)!.length;
      if (used > this.room) throw new Error('QuotaExceededError');
      set(key, value);
    };
  }
}

// A shelf that is not the small storage, as IndexedDB is not.
class Elsewhere implements Shelf {
  readonly forgets = false;
  full = false;
  #inner = new StorageShelf(new ForgetfulStorage());
  list = () => this.#inner.list();
  load = (id: string) => this.#inner.load(id);
  delete = (id: string) => this.#inner.delete(id);
  update = async (id: string, next: (stored: string | null) => Entry | null) => {
    if (this.full) throw new StorageFull('full');
    await this.#inner.update(id, next);
  };
}

const on = (small: Storage) => new ConversationStorage(new StorageShelf(small), small);

describe('storage', () => {
  it('lists the newest first, and forgets what is deleted', async () => {
    const storage = on(new ForgetfulStorage());
    const [a, b] = [conversation(1, 10), conversation(1, 20)];
    expect((await storage.save(b)).notice).toBeNull();
    expect((await storage.save(a)).notice).toBeNull();
    expect((await storage.list()).map((one) => one.id)).toEqual([b.id, a.id]);
    await storage.delete(b.id);
    expect((await storage.list()).map((one) => one.id)).toEqual([a.id]);
    expect(await storage.load(b.id)).toBeNull();
  });

  it('a full storage gives up alternatives of the oldest, then its own, and never text', async () => {
    const storage = on(new SmallStorage(22_000));
    const old = conversation(60, 1);
    const second = conversation(60, 2);
    const third = conversation(60, 3);
    expect((await storage.save(old)).notice).toBeNull();
    expect((await storage.save(second)).notice).toBeNull();
    expect((await storage.save(third)).notice).toMatch(/older conversations/);
    expect(path((await storage.load(third.id))!)[1]!.tokens[0]!.top).toHaveLength(8);
    const kept = path((await storage.load(old.id))!)[1]!;
    expect([kept.text, kept.tokens.length, kept.tokens[0]!.top.length]).toEqual(['x', 60, 0]);
    expect((await storage.save(conversation(500, 4))).notice).toMatch(/without its alternatives/);
    expect(await storage.save(conversation(5000, 5))).toEqual({ stored: null, notice: expect.stringMatching(/not kept/) });
  });

  it('two tabs that hold one conversation keep what each adds', async () => {
    const small = new ForgetfulStorage();
    const [here, there] = [on(small), on(small)];
    const start = conversation(1, 1);
    await here.save(start);
    const loaded = (await there.load(start.id))!;
    const last = path(start)[1]!.id;
    const [mine, a] = add(start, { parent: last, role: 'user', text: 'from here' });
    const [theirs, b] = add(loaded, { parent: last, role: 'user', text: 'from there' });
    await here.save(mine);
    const { stored } = await there.save(theirs);
    expect(Object.keys(stored!.messages)).toEqual(expect.arrayContaining([a.id, b.id]));
    expect(Object.keys((await here.load(start.id))!.messages)).toHaveLength(4);
  });

  it('what another tab wrote is read even where this tab wrote before and after it', async () => {
    const small = new ForgetfulStorage();
    const [here, there] = [on(small), on(small)];
    const start = conversation(1, 1);
    await here.save(start);
    await here.save({ ...start, updated: 2 });
    const last = path(start)[1]!.id;
    const [theirs, b] = add((await there.load(start.id))!, { parent: last, role: 'user', text: 'from there' });
    await there.save(theirs);
    expect((await here.save({ ...start, updated: 3 })).stored!.messages[b.id]!.text).toBe('from there');
  });

  it('what another tab deleted stays deleted, unless it is brought back', async () => {
    const small = new ForgetfulStorage();
    const [here, there] = [on(small), on(small)];
    const c = conversation(1, 1);
    await here.save(c);
    await there.load(c.id);
    await here.delete(c.id);
    expect(await there.save(c)).toEqual({ stored: null, notice: null });
    expect(await there.load(c.id)).toBeNull();
    expect((await here.save(c, true)).stored).not.toBeNull();
    expect(await there.load(c.id)).not.toBeNull();
  });

  it('takes in what older versions kept, and what a page left behind', async () => {
    const small = new ForgetfulStorage();
    const [a, b] = [conversation(2, 1), conversation(2, 2)];
    await on(small).save(a); // as they did: in the small storage
    small.setItem('glassbox.conversation.broken', '{"version":1');
    const shelf = new Elsewhere();
    const storage = new ConversationStorage(shelf, small);
    await storage.save(b);
    const [more] = add(b, { parent: path(b)[1]!.id, role: 'user', text: 'at the last moment' });
    leaveBehind(small, more);
    expect(await storage.takeIn()).toBe(2);
    expect(path((await storage.load(a.id))!)).toHaveLength(2);
    expect(path((await storage.load(b.id))!).at(-1)!.text).toBe('at the last moment');
    expect(Array.from({ length: small.length }, (_, i) => small.key(i))).toEqual(['glassbox.conversation.broken']); // what cannot be read is not thrown away
    expect(await storage.takeIn()).toBe(0);
  });

  it('what does not fit stays where it was', async () => {
    const small = new ForgetfulStorage();
    const c = conversation(2, 1);
    leaveBehind(small, c);
    const shelf = new Elsewhere();
    shelf.full = true;
    const storage = new ConversationStorage(shelf, small);
    expect(await storage.takeIn()).toBe(0);
    shelf.full = false;
    expect(await storage.takeIn()).toBe(1);
    expect(await storage.load(c.id)).not.toBeNull();
  });

  it('adopts a conversation without changing what is here', async () => {
    const storage = on(new ForgetfulStorage());
    const c = conversation(1, 5);
    await storage.save(c);
    const [question, answer] = path(c);
    const [more, added] = add(c, { parent: answer!.id, role: 'user', text: 'and then?' });
    const spoiled = { ...more, title: 'another', messages: { ...more.messages, [question!.id]: { ...question!, text: 'spoiled', changed: 9e12 } } };
    expect(await storage.adopt(spoiled)).toBe(true);
    const kept = (await storage.load(c.id))!;
    expect([kept.title, kept.messages[question!.id]!.text, kept.messages[added.id]!.text]).toEqual(['Tell me', 'Tell me', 'and then?']);
    expect(path(kept).at(-1)!.id).toBe(added.id);
    expect(await on(new SmallStorage(100)).adopt(c)).toBe(false);
    // Its tree is its own, even where ids are reused for other places.
    await storage.adopt({ ...c, messages: { [added.id]: { ...added, parent: null } }, chosen: { '': added.id } });
    expect(path((await storage.load(c.id))!)).toHaveLength(3);
  });

  it('finds text of what is shown, and again after a change', async () => {
    const storage = on(new ForgetfulStorage());
    const c = conversation(1, 5);
    await storage.save(c);
    const [summary] = await storage.list();
    expect(await storage.textOf(summary!)).toBe('Tell me x');
    const [more] = add(c, { parent: path(c)[1]!.id, role: 'user', text: 'and\nthen?' });
    await storage.save(more);
    expect(await storage.textOf((await storage.list())[0]!)).toBe('Tell me x and then?');
  });

  it('keeps drafts', () => {
    const drafts = new Drafts(new ForgetfulStorage());
    drafts.set(null, 'half a question');
    expect([drafts.of(null), drafts.of('x')]).toEqual(['half a question', '']);
    drafts.set(null, '');
    expect(drafts.of(null)).toBe('');
    drafts.lastModel = 'm';
    expect(drafts.lastModel).toBe('m');
    const full = new Drafts(new SmallStorage(10));
    full.set(null, 'too long');
    expect(full.of(null)).toBe('');
  });
});

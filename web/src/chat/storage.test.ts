import { describe, expect, it } from 'vitest';
import { add, newConversation, path, type Conversation } from './conversation';
import { ConversationStorage, ForgetfulStorage, pack, unpack } from './storage';

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

function conversation(words: number, updated: number): Conversation {
  let c = newConversation('m', { temperature: 0.5 });
  let question;
  [c, question] = add(c, { parent: null, role: 'user', text: 'Tell me' });
  const top = Array.from({ length: 8 }, (_, i) => ({ text: ` other${i}`, logprob: -1 - i }));
  const tokens = Array.from({ length: words }, (_, i) => ({ text: ` word${i}`, logprob: -0.123456, top }));
  [c] = add(c, { parent: question.id, role: 'assistant', text: 'x', tokens });
  return { ...c, updated };
}

describe('storage', () => {
  it('packs and unpacks a conversation', () => {
    const c = conversation(3, 1);
    const answer = path(c)[1]!;
    answer.tokens[1] = { text: '\ufffd', bytes: [0xe2, 0x82], logprob: -Infinity, top: [{ text: '\ufffd', bytes: [0xe2], logprob: -2 }, { text: 'a', logprob: -3 }] };
    const back = unpack(pack(c))!;
    expect(path(back)[1]!.tokens[1]).toEqual(answer.tokens[1]);
    expect(path(back)[1]!.tokens[0]!.logprob).toBe(-0.123);
    expect(back.settings).toEqual({ temperature: 0.5 });
    expect(path(unpack(pack(c, false))!)[1]!.tokens[0]!.top).toEqual([]);
  });

  it('an answer that was streaming when the page went is interrupted, with what had come', () => {
    let c = conversation(2, 1);
    c = { ...c, messages: { ...c.messages, [path(c)[1]!.id]: { ...path(c)[1]!, status: 'streaming', text: 'so far' } } };
    const answer = path(unpack(pack(c))!)[1]!;
    expect([answer.status, answer.text]).toEqual(['interrupted', 'so far']);
  });

  it('what is not ours is nothing', () => {
    for (const text of ['', '{}', '[]', 'null', '{"version":2,"messages":[]}', '{"version":1,"messages":3}']) expect(unpack(text)).toBeNull();
  });

  it('lists the newest first, and forgets what is deleted', () => {
    const storage = new ConversationStorage(new ForgetfulStorage());
    const [a, b] = [conversation(1, 10), conversation(1, 20)];
    expect(storage.save(b)).toBeNull();
    expect(storage.save(a)).toBeNull();
    expect(storage.list().map((one) => one.id)).toEqual([b.id, a.id]);
    storage.delete(b.id);
    expect(storage.list().map((one) => one.id)).toEqual([a.id]);
    expect(storage.load(b.id)).toBeNull();
  });

  it('a full storage gives up alternatives of the oldest, then its own, and never text', () => {
    const storage = new ConversationStorage(new SmallStorage(22_000));
    const old = conversation(60, 1);
    const second = conversation(60, 2);
    const third = conversation(60, 3);
    expect(storage.save(old)).toBeNull();
    expect(storage.save(second)).toBeNull();
    expect(storage.save(third)).toMatch(/older conversations/);
    expect(path(storage.load(third.id)!)[1]!.tokens[0]!.top).toHaveLength(8);
    const kept = path(storage.load(old.id)!)[1]!;
    expect([kept.text, kept.tokens.length, kept.tokens[0]!.top.length]).toEqual(['x', 60, 0]);
    expect(storage.save(conversation(500, 4))).toMatch(/without its alternatives/);
    expect(storage.save(conversation(5000, 5))).toMatch(/not kept/);
  });

  it('keeps drafts', () => {
    const storage = new ConversationStorage(new ForgetfulStorage());
    storage.setDraft(null, 'half a question');
    expect([storage.draft(null), storage.draft('x')]).toEqual(['half a question', '']);
    storage.setDraft(null, '');
    expect(storage.draft(null)).toBe('');
  });
});

import { describe, expect, it } from 'vitest';
import { add, choose, path, replace, type Message } from './conversation';
import { merge, pack, readConversation, unpack } from './records';
import { conversation } from './testing';

describe('records', () => {
  it('pack and unpack a conversation', () => {
    const c = conversation(3, 1);
    const answer = path(c)[1]!;
    answer.tokens[1] = { text: '\ufffd', bytes: [0xe2, 0x82], logprob: -Infinity, top: [{ text: '\ufffd', bytes: [0xe2], logprob: -2 }, { text: 'a', logprob: -3 }] };
    const back = unpack(pack(c))!;
    expect(path(back)[1]!.tokens[1]).toEqual(answer.tokens[1]);
    expect(path(back)[1]!.tokens[0]!.logprob).toBe(-0.123);
    expect(back.settings).toEqual({ temperature: 0.5 });
    expect(path(unpack(pack(c, false))!)[1]!.tokens[0]!.top).toEqual([]);
  });

  it('keep every field of a message', () => {
    const c = conversation(1, 5);
    const [question, answer] = path(c);
    const full: Message = {
      ...answer!, reasoning: 'hm', status: 'failed', settings: { top_k: 3, system: 's' }, seed: 7, finish: 'length', usage: { prompt_tokens: 3, completion_tokens: 4 },
      timings: { prefill_tokens_per_s: 1.5, decode_tokens_per_s: 2.5 }, thinking_ms: 12.5, error: { message: 'e', code: 'c' }, leftOut: [question!.id], fork: { of: answer!.id, at: 2 },
    };
    const kept = { ...replace(c, full), leftOut: [question!.id] };
    const back = unpack(pack(kept))!;
    expect(back.leftOut).toEqual([question!.id]);
    const rounded = { ...path(kept)[1]!, tokens: [{ ...full.tokens[0]!, logprob: -0.123 }] };
    expect(path(back)[1]).toEqual(rounded);
    expect(back.chosen).toEqual(kept.chosen);
  });

  it('an answer that was streaming when the page went is interrupted, with what had come', () => {
    let c = conversation(2, 1);
    c = { ...c, messages: { ...c.messages, [path(c)[1]!.id]: { ...path(c)[1]!, status: 'streaming', text: 'so far' } } };
    const answer = path(unpack(pack(c))!)[1]!;
    expect([answer.status, answer.text]).toEqual(['interrupted', 'so far']);
  });

  it('of before: without times of change, or turns left out', () => {
    const { leftOut: _, ...old } = JSON.parse(pack(conversation(1, 1)));
    old.messages.forEach((message: { changed?: number }) => delete message.changed);
    const back = unpack(JSON.stringify(old))!;
    expect([back.leftOut, path(back)[1]!.changed]).toEqual([[], path(back)[1]!.created]);
  });

  it('what is not ours is nothing', () => {
    for (const text of ['', '{}', '[]', 'null', '{"version":2,"messages":[]}', '{"version":1,"messages":3}']) expect(unpack(text)).toBeNull();
  });

  describe('say what is wrong, and where', () => {
    const good = () => JSON.parse(pack(conversation(1, 1)));
    const fault = (spoil: (c: ReturnType<typeof good>) => void) => {
      const c = good();
      spoil(c);
      try {
        readConversation(c, 'conversations[2]');
        return 'accepted';
      } catch (error) {
        return (error as Error).message;
      }
    };

    it('fields', () => {
      expect(fault(() => {})).toBe('accepted');
      expect(fault((c) => (c.version = 3))).toBe('conversations[2].version: expected 1, got 3');
      expect(fault((c) => (c.id = '__proto__'))).toBe('conversations[2].id: expected an id: a letter, then letters a-z and digits, got "__proto__"');
      expect(fault((c) => (c.messages[0].id = 'constructor'))).toMatch(/messages\[0\]\.id: expected an id/);
      expect(fault((c) => (c.messages[1].role = 'system'))).toBe('conversations[2].messages[1].role: expected "user" or "assistant", got "system"');
      expect(fault((c) => (c.messages[1].text = { toString: 'x' }))).toBe('conversations[2].messages[1].text: expected a text, got an object');
      expect(fault((c) => delete c.messages[0].text)).toBe('conversations[2].messages[0].text: expected a text, got nothing');
      expect(fault((c) => (c.messages[1].status = 'gone'))).toMatch(/status: expected one of done, .* got "gone"/);
      expect(fault((c) => (c.created = 1e300))).toMatch(/created: expected a number from 0 to 8640000000000000, got 1e\+300/);
      expect(fault((c) => (c.settings.temperature = 99))).toBe('conversations[2].settings.temperature: expected a number from 0 to 2, got 99');
      expect(fault((c) => (c.messages[1].fork = { of: c.messages[1].id, at: 0.5 }))).toMatch(/fork\.at: expected a whole number 0 or more, got 0.5/);
      expect(fault((c) => (c.title = 3))).toMatch(/title: expected a text, got 3/);
      expect(fault((c) => (c.messages = {}))).toBe('conversations[2].messages: expected a list, got an object');
    });

    it('tokens', () => {
      expect(fault((c) => (c.messages[1].tokens[0][0] = 4))).toMatch(/messages\[1\]\.tokens\[0\]\[0\]: expected a text, got 4/);
      expect(fault((c) => c.messages[1].tokens[0][2].pop())).toMatch(/tokens\[0\]\[2\]: expected pairs of a text and a number, got a list/);
      expect(fault((c) => (c.messages[1].tokens[0][3] = [256]))).toMatch(/tokens\[0\]\[3\]\[0\]: expected a whole number from 0 to 255, got 256/);
      expect(fault((c) => (c.messages[1].tokens = 'abc'))).toMatch(/tokens: expected a list, got "abc"/);
    });

    it('trees that are none: they would be walked for ever', () => {
      expect(fault((c) => (c.messages[0].parent = 'nobody'))).toBe('conversations[2].messages[0].parent: expected the id of a message, got "nobody"');
      expect(fault((c) => (c.messages[0].parent = c.messages[1].id))).toMatch(/messages\[0\]\.parent: expected a message before it/);
      expect(fault((c) => (c.messages[0].parent = c.messages[0].id))).toMatch(/messages\[0\]\.parent: expected a message before it/);
      expect(fault((c) => (c.messages[1].id = c.messages[0].id))).toMatch(/messages\[1\]\.id: expected an id of its own/);
      expect(fault((c) => (c.chosen[c.messages[1].id] = c.messages[1].id))).toMatch(/chosen\..*: expected a message that follows it/);
      expect(fault((c) => (c.chosen[''] = 'nobody'))).toMatch(/chosen: expected a message that follows it|chosen\.: expected/);
    });

    it('what is not known is dropped, and a title is a line', () => {
      const c = good();
      c.title = 'a\u202eb\nc' + 'd'.repeat(500);
      c.messages[1].extra = c.extra = 'x';
      c.settings.top_secret = 1;
      c.messages[1].__proto__ = { polluted: true };
      const read = readConversation(JSON.parse(JSON.stringify(c).replace('"extra"', '"__proto__"')), '');
      expect(read.title).toBe('a b c' + 'd'.repeat(195));
      expect(Object.keys(read)).not.toContain('extra');
      expect(read.settings).toEqual({ temperature: 0.5 });
      expect((path(read)[1] as unknown as { polluted?: boolean }).polluted).toBeUndefined();
    });
  });

  describe('merge', () => {
    it('keeps what each side added, in order', () => {
      const start = conversation(1, 10);
      const [, answer] = path(start);
      const [a, mine] = add(start, { parent: answer!.id, role: 'user', text: 'from here' });
      const [b, theirs] = add(start, { parent: answer!.id, role: 'user', text: 'from there' });
      const later = { ...a, messages: { ...a.messages, [mine.id]: { ...mine, created: theirs.created + 1 } } };
      const both = merge(later, b);
      expect(Object.keys(both.messages)).toEqual([...Object.keys(start.messages), theirs.id, mine.id]);
      expect(path(both).at(-1)!.text).toBe('from here'); // shown as mine is
      expect(path(merge(start, a)).at(-1)!.text).toBe('from here'); // and goes on where the other did
    });

    it('takes the later state of a message, and the stored one where neither is later', () => {
      const c = conversation(1, 10);
      const answer = path(c)[1]!;
      const at = (text: string, changed: number) => ({ ...c, messages: { ...c.messages, [answer.id]: { ...answer, text, changed } } });
      expect(path(merge(at('new', 5), at('old', 4)))[1]!.text).toBe('new');
      expect(path(merge(at('old', 4), at('new', 5)))[1]!.text).toBe('new');
      expect(path(merge(at('mine', 5), at('stored', 5)))[1]!.text).toBe('stored');
    });

    it('shows the branch that is shown here', () => {
      const start = conversation(1, 10);
      const question = path(start)[0]!;
      const [two, second] = add(start, { parent: question.id, role: 'assistant', text: 'second' });
      const here = choose(two, path(start)[1]!.id);
      expect(path(merge(here, two)).at(-1)!.text).toBe('x');
      expect(path(merge(two, here)).at(-1)!.id).toBe(second.id);
    });
  });
});

import { describe, expect, it } from 'vitest';
import documented from '../../../docs/conversations.md?raw';
import { apiMessages, before, contextUsed, forks, path, rawPrompt, readOf, siblings, turnsOf } from './conversation';
import { exportText, importText } from './exchange';
import { BadRecord, merge, pack, unpack } from './records';
import { conversation } from './testing';

const fault = (text: string) => {
  try {
    importText(text);
    return 'accepted';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a file of conversations', () => {
  it('comes back as it was', () => {
    const list = [conversation(2, 1), conversation(3, 2)];
    const text = exportText(list, new Date('2026-03-01T12:00:00Z'));
    expect(text.split('\n')[0]).toBe('{"format":"glassbox conversations","version":1,"exported":"2026-03-01T12:00:00.000Z","conversations":[');
    expect(text.split('\n')).toHaveLength(5);
    const back = importText(text);
    expect(back.map((c) => c.id)).toEqual(list.map((c) => c.id));
    expect(path(back[1]!)[1]).toMatchObject({ text: 'x', model: 'm', tokens: [{ text: ' word0' }, { text: ' word1' }, { text: ' word2' }] });
    expect(importText(exportText([]))).toEqual([]);
  });

  it('is as documented', () => {
    const [c] = importText(documented.match(/```json\n([^`]*)```/)![1]!);
    expect(path(c!).map((message) => [message.role, message.text, message.model])).toEqual([['user', 'What is 17 + 25?', undefined], ['assistant', '17 + 25 is 42.', 'glassbox/prism']]);
    expect(path(c!)[1]!.tokens).toEqual([{ text: '17', logprob: -0.012, top: [{ text: '17', logprob: -0.012 }, { text: ' 17', logprob: -5.3 }] }]);
    expect(c!.settings).toEqual({ temperature: 0.8, system: 'Be brief.' });
  });

  it('that is none, or is spoiled, says so', () => {
    expect(fault('')).toBe('This is not a JSON file.');
    expect(fault('<html>')).toBe('This is not a JSON file.');
    expect(fault('['.repeat(100_000))).toBe('This is not a JSON file.');
    for (const other of ['null', '3', '[]', '{}', '{"format":"other"}', '{"messages":[]}']) expect(fault(other)).toMatch(/^This is not a file of conversations that Glassbox exported/);
    expect(fault('{"format":"glassbox conversations","version":2,"conversations":[]}')).toBe('version: expected 1, got 2: another version of Glassbox wrote this file.');
    expect(fault('{"format":"glassbox conversations","version":1}')).toBe('conversations: expected a list, got nothing');
    expect(fault('{"format":"glassbox conversations","version":1,"conversations":[null]}')).toBe('conversations[0]: expected an object, got null');
    const c = conversation(1, 1);
    expect(fault(exportText([c, c]))).toMatch(/^conversations\[1\]\.id: expected an id of its own/);
    expect(fault(exportText([c]).replace('"role":"assistant"', '"role":"tool"'))).toBe('conversations[0].messages[1].role: expected "user" or "assistant", got "tool"');
  });

  it('that is spoiled anywhere is refused by name, or is a conversation that works', () => {
    let seed = 1;
    const draw = (n: number) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % n;
    const whole = { ...conversation(2, 1), leftOut: ['aa'] };
    const answer = path(whole)[1]!;
    Object.assign(answer, { usage: { prompt_tokens: 3, completion_tokens: 2 }, error: { message: 'e', code: 'c' }, fork: { of: answer.id, at: 1 }, settings: { top_k: 3 } });
    const text = exportText([whole]);
    const ids = Object.keys(whole.messages);
    const values = [null, true, -1, 0.5, 1e308, '', 'x', '__proto__', 'constructor', ...ids, [], {}, [[]], { length: 1e9 }, 'a'.repeat(300)];
    let accepted = 0;
    for (let round = 0; round < 4000; round++) {
      const file = JSON.parse(text);
      // Somewhere in the file, something else; now and then the name of a field.
      let at = file.conversations[0];
      for (;;) {
        const names = Object.keys(at);
        const name = names[draw(names.length)]!;
        if (typeof at[name] === 'object' && at[name] !== null && Object.keys(at[name]).length && draw(4)) {
          at = at[name];
          continue;
        }
        const value = values[draw(values.length)];
        if (draw(5)) at[name] = value;
        else delete at[name];
        break;
      }
      let list;
      try {
        list = importText(JSON.stringify(file));
      } catch (error) {
        expect(error).toBeInstanceOf(BadRecord);
        expect((error as Error).message).toMatch(/^conversations\[0\]\S*: expected .*, got /);
        expect((error as Error).message.length).toBeLessThan(400);
        continue;
      }
      accepted++;
      const [c] = list;
      const shown = path(c!);
      expect(shown.length).toBeLessThanOrEqual(2);
      for (const message of Object.values(c!.messages)) [before(c!, message.id), siblings(c!, message.id), forks(c!, message)];
      [turnsOf(shown), contextUsed(c!, 'm'), apiMessages(readOf(shown, c!.leftOut), c!.settings.system), rawPrompt(shown)];
      expect(pack(unpack(pack(c!))!)).toBe(pack(c!)); // what is read once is read again, the same
      expect(path(merge(c!, whole)).length).toBeLessThanOrEqual(4);
    }
    expect(accepted).toBeGreaterThan(200);
    expect(accepted).toBeLessThan(3800);
  });
});

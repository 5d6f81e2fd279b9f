import { describe, expect, it } from 'vitest';
import {
  add, apiMessages, before, branchFrom, children, choose, forks, newConversation, newId, path, rawPrompt, rawText, replace,
  siblings, splitThinking, titleOf, type Conversation, type Message,
} from './conversation';
import type { Token } from './tokens';

const token = (text: string, others: string[] = []): Token => ({
  text, logprob: -0.1, top: [text, ...others].map((other, i) => ({ text: other, logprob: -0.1 - i })),
});

function talk(): { c: Conversation; question: Message; answer: Message } {
  let c = newConversation('m', {});
  let question: Message, answer: Message;
  [c, question] = add(c, { parent: null, role: 'user', text: 'Where does the fox live?' });
  [c, answer] = add(c, {
    parent: question.id, role: 'assistant', text: 'In a den.', tokens: [token('In'), token(' a', [' the']), token(' den'), token('.')],
  });
  return { c, question, answer };
}

describe('conversation', () => {
  it('shows what was said, in order', () => {
    const { c, question, answer } = talk();
    expect(path(c).map((message) => message.id)).toEqual([question.id, answer.id]);
    expect(c.title).toBe('Where does the fox live?');
  });

  it('keeps every version and shows the one chosen, with what followed it', () => {
    const { c, question, answer } = talk();
    const [again, second] = add(c, { parent: question.id, role: 'assistant', text: 'Underground.' });
    expect(siblings(again, answer.id).map((message) => message.text)).toEqual(['In a den.', 'Underground.']);
    const [further, followUp] = add(again, { parent: second.id, role: 'user', text: 'How deep?' });
    expect(path(further)).toHaveLength(3);
    const back = choose(further, answer.id);
    expect(path(back).map((message) => message.text)).toEqual(['Where does the fox live?', 'In a den.']);
    expect(path(choose(back, second.id)).at(-1)!.id).toBe(followUp.id);
    expect(path(c)).toHaveLength(2); // the first value is as it was
    expect(before(further, followUp.id).map((message) => message.id)).toEqual([question.id, second.id]);
  });

  it('choosing a message deep in another branch shows the whole way to it', () => {
    const { c, answer } = talk();
    const [edited, question] = add(c, { parent: null, role: 'user', text: 'Who lives there?' });
    const [full, reply] = add(edited, { parent: question.id, role: 'assistant', text: 'A fox.' });
    expect(path(choose(full, answer.id)).map((message) => message.text)).toEqual(['Where does the fox live?', 'In a den.']);
    expect(path(choose(choose(full, answer.id), reply.id)).map((message) => message.text)).toEqual(['Who lives there?', 'A fox.']);
    expect(children(full, null)).toHaveLength(2);
  });

  it('branches at a token with another in its place', () => {
    const { c, question, answer } = talk();
    const branch = branchFrom(answer, 1, { text: ' the', logprob: -1.1 })!;
    expect(branch.raw).toBe('In the');
    expect(branch.tokens.map((t) => t.text)).toEqual(['In', ' the']);
    expect(branch.tokens[1]!.top).toEqual(answer.tokens[1]!.top);
    const [forked, other] = add(c, { parent: question.id, role: 'assistant', text: branch.raw, tokens: branch.tokens, fork: { of: answer.id, at: 1 } });
    expect(forks(forked, answer).get(1)!.map((message) => message.id)).toEqual([other.id]);
    expect(answer.tokens).toHaveLength(4);
    expect(branchFrom(answer, 9, { text: 'x', logprob: 0 })).toBeNull();
    expect(branchFrom(answer, 1, { text: '\ufffd', bytes: [0xe2], logprob: -3 })).toBeNull();
  });

  it('replaces a message without touching the value it came from', () => {
    const { c, answer } = talk();
    const next = replace(c, { ...answer, text: 'In a hole.' });
    expect([c.messages[answer.id]!.text, next.messages[answer.id]!.text]).toEqual(['In a den.', 'In a hole.']);
  });

  it('tells reasoning from what is said', () => {
    expect(splitThinking('<think>\n2+2\n</think>\n\n4')).toEqual({ reasoning: '2+2', text: '4', open: false });
    expect(splitThinking('<think>\nhm')).toEqual({ reasoning: 'hm', text: '', open: true });
    expect(splitThinking('plain </think>')).toEqual({ reasoning: '', text: 'plain </think>', open: false });
    expect(splitThinking('')).toEqual({ reasoning: '', text: '', open: false });
  });

  it('spells the raw text of an answer from its tokens, or from its parts', () => {
    const { answer } = talk();
    expect(rawText(answer)).toBe('In a den.');
    expect(rawText({ ...answer, tokens: [], reasoning: 'a den, I think' })).toBe('<think>\na den, I think\n</think>\n\nIn a den.');
    expect(rawText({ ...answer, reasoning: 'In' })).toBe('<think>\nIn a den.'); // the template had opened it
    expect(branchFrom({ ...answer, reasoning: 'In' }, 0, { text: 'On', logprob: -2 })!.raw).toBe('<think>\nOn');
    expect(rawText({ ...answer, tokens: [], reasoning: 'a', text: '', status: 'stopped' })).toBe('<think>\na');
  });

  it('asks with the system prompt first and without old reasoning', () => {
    const { c, answer } = talk();
    const thoughtful = replace(c, { ...answer, reasoning: 'hm' });
    expect(apiMessages(path(thoughtful), 'Be brief.')).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Where does the fox live?' },
      { role: 'assistant', content: 'In a den.' },
    ]);
    expect(apiMessages([], '  ')).toEqual([]);
    expect(rawPrompt(path(c))).toBe('Where does the fox live?In a den.');
  });

  it('makes titles and ids', () => {
    expect(titleOf('  one\ntwo')).toBe('one');
    expect(titleOf('word '.repeat(30)).length).toBeLessThanOrEqual(61);
    expect(new Set(Array.from({ length: 1000 }, () => newId())).size).toBe(1000);
  });
});

import { describe, expect, it } from 'vitest';
import {
  add, apiMessages, before, branchFrom, canContinue, children, choose, contextUsed, filledContext, forks, knownTokens, leaveOutOldest,
  lettersPerToken, newConversation, newId, path, rawPrompt, rawText, readOf, replace, siblings, splitThinking, titleOf, turnsOf,
  type Conversation, type Message,
} from './conversation';
import { roomFor } from './settings';
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

describe('a full context', () => {
  // Three turns of 100 letters a message, and a fourth question whose answer `more` describes.
  function long(more: Partial<Message>): { c: Conversation; ids: string[] } {
    let c = newConversation('m', {});
    let message: Message | null = null;
    for (const [i, letter] of [...'abcdefg'].entries()) {
      [c, message] = add(c, { parent: message?.id ?? null, role: i % 2 ? 'assistant' : 'user', text: letter.repeat(100), model: i % 2 ? 'm' : undefined });
      if (i === 5) c = replace(c, { ...message, usage: { prompt_tokens: 250, completion_tokens: 50 } });
    }
    const ids = path(c).map((one) => one.id);
    [c] = add(c, { parent: message!.id, role: 'assistant', text: '', status: 'failed', model: 'm', ...more });
    return { c, ids };
  }
  const cost = (message: Message) => message.text.length / 2;

  it('turns are questions with what answered them', () => {
    const { c } = long({});
    expect(turnsOf(path(c)).map((turn) => turn.length)).toEqual([2, 2, 2, 2]);
    expect(turnsOf([])).toEqual([]);
  });

  it('the oldest turns are left out until the rest fits: one at least, the last never', () => {
    const { c, ids } = long({});
    expect(leaveOutOldest(c, 1000, cost)!.leftOut).toEqual(ids.slice(0, 2));
    expect(leaveOutOldest(c, 150, cost)!.leftOut).toEqual(ids.slice(0, 4));
    expect(leaveOutOldest(c, 0, cost)!.leftOut).toEqual(ids.slice(0, 6));
    const left = leaveOutOldest(c, 150, cost)!;
    expect(leaveOutOldest(left, 1000, cost)!.leftOut).toEqual(ids.slice(0, 6));
    expect(leaveOutOldest(leaveOutOldest(left, 0, cost)!, 0, cost)).toBeNull();
    expect(c.leftOut).toEqual([]);
  });

  it('an answer that was cut off counts, and its turn stays', () => {
    const { c, ids } = long({ text: 'h'.repeat(100), status: 'done', finish: 'length' });
    expect(leaveOutOldest(c, 250, cost)!.leftOut).toEqual(ids.slice(0, 4));
    expect(leaveOutOldest(c, 249, cost)!.leftOut).toEqual(ids.slice(0, 4));
    expect(leaveOutOldest(c, 199, cost)!.leftOut).toEqual(ids.slice(0, 6));
  });

  it('what is left out is not read, nor is a question that was never answered', () => {
    const { c, ids } = long({});
    expect(readOf(path(c), ids.slice(0, 2)).map((message) => message.text[0])).toEqual(['c', 'd', 'e', 'f']);
    expect(readOf(before(c, path(c).at(-1)!.id), []).map((message) => message.text[0])).toEqual([...'abcdefg']);
    const { c: stopped } = long({ status: 'failed', text: 'so far' });
    expect(readOf(path(stopped), [])).toHaveLength(8);
  });

  it('is measured by the last usage, and by length after it', () => {
    const { c } = long({ usage: { prompt_tokens: 350, completion_tokens: 20 }, status: 'done', text: 'x' });
    expect(contextUsed(c, 'm')).toEqual({ tokens: 370, exact: true });
    const { c: unanswered, ids } = long({});
    expect(lettersPerToken(unanswered)).toBe(2); // 500 letters in 250 tokens
    expect(contextUsed(unanswered, 'm')).toEqual({ tokens: 300, exact: true }); // the question that failed is not read
    expect(contextUsed({ ...unanswered, leftOut: ids.slice(0, 4) }, 'm')).toEqual({ tokens: 100, exact: false });
    expect(contextUsed(unanswered, 'another')).toEqual({ tokens: 300, exact: false });
    expect(contextUsed(talk().c, 'm')).toBeNull();
  });

  it('is full where the server says so, or where an answer ends with it', () => {
    const { answer } = talk();
    const usage = { prompt_tokens: 1000, completion_tokens: 24 };
    expect(filledContext({ ...answer, finish: 'length', usage }, 1024)).toBe(true);
    expect(filledContext({ ...answer, finish: 'length', usage }, 1025)).toBe(false); // its own limit
    expect(filledContext({ ...answer, finish: 'stop', usage }, 1024)).toBe(false);
    expect(filledContext({ ...answer, finish: 'length', usage }, undefined)).toBe(false);
    expect(filledContext({ ...answer, error: { message: '', code: 'context_length_exceeded' } }, undefined)).toBe(true);
    expect(filledContext({ ...answer, error: { message: '', code: 'queue_full' } }, 1024)).toBe(false);
  });

  it('an answer that ended early can continue', () => {
    const { answer } = talk();
    const can = (more: Partial<Message>) => canContinue({ ...answer, ...more });
    expect([can({}), can({ finish: 'stop' }), can({ finish: 'length' })]).toEqual([false, false, true]);
    expect((['stopped', 'interrupted', 'failed', 'streaming'] as const).map((status) => can({ status }))).toEqual([true, true, true, false]);
    expect([can({ status: 'stopped', text: '' }), can({ status: 'stopped', text: '', reasoning: 'hm' })]).toEqual([false, true]);
  });

  it('the room for an answer is what is not known to be filled', () => {
    const { c, ids } = long({ usage: { prompt_tokens: 350, completion_tokens: 20 } });
    expect(knownTokens(path(c), [], 'm')).toBe(370);
    expect(knownTokens(path(c).slice(0, -1), [], 'm')).toBe(300);
    expect(knownTokens(path(c), ids.slice(0, 2), 'm')).toBe(0); // another prompt
    expect(knownTokens(path(c), [], 'another')).toBe(0);
    expect([roomFor(512, 0), roomFor(512, 370), roomFor(512, 600), roomFor(undefined, 0)]).toEqual([511, 142, 1, 999_999]);
  });
});

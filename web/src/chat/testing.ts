// For tests: a conversation of a question and its answer of so many tokens.
import { add, newConversation, type Conversation } from './conversation';

export function conversation(words: number, updated: number): Conversation {
  let c = newConversation('m', { temperature: 0.5 });
  let question;
  [c, question] = add(c, { parent: null, role: 'user', text: 'Tell me' });
  const top = Array.from({ length: 8 }, (_, i) => ({ text: ` other${i}`, logprob: -1 - i }));
  const tokens = Array.from({ length: words }, (_, i) => ({ text: ` word${i}`, logprob: -0.123456, top }));
  [c] = add(c, { parent: question.id, role: 'assistant', text: 'x', model: 'm', tokens });
  return { ...c, updated };
}

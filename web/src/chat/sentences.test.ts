import { describe, expect, it } from 'vitest';
import { sentencesAfter, spoken } from './sentences';

describe('sentences', () => {
  it('gives each sentence once, when it is over', () => {
    const text = 'The fox ran. It was red! Was it';
    const first = sentencesAfter(text, 0, false);
    expect(first.sentences).toEqual(['The fox ran.', 'It was red!']);
    const rest = sentencesAfter(text + ' fast?', first.next, true);
    expect(rest).toEqual({ sentences: ['Was it fast?'], next: text.length + 6 });
  });

  it('holds back what may go on', () => {
    expect(sentencesAfter('Pi is 3.', 0, false)).toEqual({ sentences: [], next: 0 });
    expect(sentencesAfter('Pi is 3.14, roughly. And', 0, false).sentences).toEqual(['Pi is 3.14, roughly.']);
    expect(sentencesAfter('', 0, true)).toEqual({ sentences: [], next: 0 });
  });

  it('speaks text, not marks', () => {
    expect(spoken('## A **bold** [link](http://x) and `code`\n- item')).toBe('A bold link and code item');
  });
});

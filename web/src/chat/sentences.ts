// A screen reader is told of new text by the sentence: by the token it would stutter, by the answer it would be late.

const segmenter = typeof Intl !== 'undefined' && 'Segmenter' in Intl ? new Intl.Segmenter(undefined, { granularity: 'sentence' }) : null;

// Sentences of `text` after `from` that are over, and where they end. With `ended`, whatever remains is a sentence.
export function sentencesAfter(text: string, from: number, ended: boolean): { sentences: string[]; next: number } {
  const rest = text.slice(from);
  const parts = segmenter ? Array.from(segmenter.segment(rest), (part) => part.segment) : rest.split(/(?<=[.!?]\s)/);
  if (!ended) parts.pop(); // what comes next may still belong to it
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return { sentences: parts.map(spoken).filter((part) => part !== ''), next: from + length };
}

// Without the marks that are there to be drawn.
export function spoken(markdown: string): string {
  return markdown
    .replace(/```\w*/g, ' ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^\s*(#{1,6}|[-*+]|>)\s+/gm, '')
    .replace(/[*_`|$]+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

import { describe, expect, it } from 'vitest';
import { countsInWords, kVerdicts, months, points, raceInWords, relationOf, shownOf, ticks, verdictOf, verdictsIn, weekInWords, type Variant, type VariantTree } from './variants';

const variant = (id: string, more: Partial<Variant> = {}): Variant => ({ id, here: true, relation: 'finetune', verdict: 'unknown', why: '', ...more });

describe('variants', () => {
  it('are counted in words, each relation in its number', () => {
    expect(countsInWords({ finetune: 12, adapter: 1, merge: 0, quantized: 2 })).toBe('12 fine-tunes, 1 adapter, 2 quantized versions');
    expect([countsInWords({}), countsInWords(undefined)]).toEqual(['', '']);
    expect([relationOf('finetune'), relationOf('quantized'), relationOf('other'), relationOf('adapter', true)]).toEqual(['Fine-tune', 'Quantized version', 'Other', 'With an adapter']);
  });

  it('have their verdicts explained, those alone that there are', () => {
    const tree: VariantTree = {
      id: 'a/b',
      childrenModelCount: {},
      bases: [variant('a/c', { verdict: 'verified', bases: [variant('a/d', { verdict: 'contradicted' })] })],
      children: [variant('a/e', { verdict: 'new one' as never, children: [] })],
      leftOut: { bases: 0, children: 0 },
    };
    expect(verdictsIn(tree)).toEqual(['verified', 'contradicted', 'unknown']);
    expect(verdictOf(tree.children[0]!)).toBe(kVerdicts.unknown);
    for (const { sentence } of Object.values(kVerdicts)) expect(sentence).toMatch(/^[A-Z].*\.$/);
  });

  it('are folded where they are many', () => {
    const all = [1, 2, 3, 4, 5, 6, 7];
    expect(shownOf(all, false)).toEqual([1, 2, 3, 4, 5]);
    expect(shownOf(all, true)).toEqual(all);
    expect(shownOf(all.slice(0, 6), false)).toHaveLength(6); // a button that hides one is longer than that one
  });
});

describe('the race', () => {
  it('has whole numbers on its axis', () => {
    expect(ticks(0)).toEqual([0, 1]);
    expect(ticks(1)).toEqual([0, 1]);
    expect(ticks(3)).toEqual([0, 1, 2, 3]);
    expect(ticks(7)).toEqual([0, 2, 4, 6, 8]);
    expect(ticks(1234)).toEqual([0, 500, 1000, 1500]);
  });

  it('draws from the left to the right and from the bottom to the top', () => {
    expect(points([0, 1, 4], 4, 100, 40)).toBe('0,40 50,30 100,0');
    expect(points([2], 4, 100, 40)).toBe('50,20');
  });

  it('names months, no more than there is room for', () => {
    const weeks = ['2025-12-22', '2025-12-29', '2026-01-05', '2026-01-12', '2026-02-02', '2026-03-02', '2026-04-06'];
    expect(months(weeks, 9)).toEqual([{ index: 2, name: 'Jan 2026' }, { index: 4, name: 'Feb' }, { index: 5, name: 'Mar' }, { index: 6, name: 'Apr' }]);
    expect(months(weeks, 2).map((one) => one.name)).toEqual(['Jan 2026', 'Mar']);
  });

  it('is told in a sentence', () => {
    const runner = (id: string, counts: number[]) => ({ id, private: false, likes: 0, downloads: 0, counts });
    expect(raceInWords({ weeks: ['2026-01-05', '2026-01-12'], total: 9, models: [runner('a/b', [1, 7]), runner('c/d', [0, 3])] })).toBe('Descendants of 2 models over 2 weeks: a/b has 7, c/d 3.');
    expect(weekInWords([runner('a/b', [1000, 7]), runner('c/d', [3])], 0)).toBe('b 1,000, d 3');
    expect(raceInWords({ weeks: ['2026-01-05'], total: 0, models: [] })).toBe('Nobody has built upon a model here yet.');
  });
});

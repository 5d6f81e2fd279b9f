import { describe, expect, it } from 'vitest';
import type { TrainingRun } from '../api/types';
import { curve, measures, rows, secondsLeft, smooth, smoothed, stepsOf, thinned } from './curves';

const run: TrainingRun = {
  id: 'r',
  name: 'r',
  status: 'running',
  recipe: { model: { layers: 2 }, train: { steps: 100 }, data: 'x', splits: [1, 2] },
  points: Array.from({ length: 20 }, (_, i) => ({ step: i + 1, loss: 5 - i * 0.1, seconds: (i + 1) * 2, tokens: (i + 1) * 10 })),
  evaluations: [{ step: 10, sums: 0.5, note: 'x' }, { step: 20, sums: 0.6, passages: 0.1 }],
};

describe('curves', () => {
  it('smooths without pulling towards the start', () => {
    expect(smooth([4, 4, 4], 0.9).map((value) => value.toFixed(9))).toEqual(['4.000000000', '4.000000000', '4.000000000']);
    expect(smooth([1, 3], 0.5)).toEqual([1, (0.5 * 0.5 + 1.5) / 0.75]);
    expect(smooth([1, 2, 3], 0)).toEqual([1, 2, 3]);
    expect(smooth([1, NaN, 3], 0.5)[1]).toBeNaN();
    expect(smooth([], 0.5)).toEqual([]);
  });

  it('takes the points that have both values', () => {
    expect(curve([{ step: 1, loss: 2 }, { step: 2, loss: NaN }, { step: 3, loss: 1, tokens: 30 }], 'tokens', 'loss')).toEqual([[30, 1]]);
    expect(smoothed([[1, 2], [2, 2]], 0.5)).toEqual([[1, 2], [2, 2]]);
  });

  it('tells how long it will be', () => {
    expect(stepsOf(run)).toBe(100);
    expect(stepsOf({ ...run, steps: 7 })).toBe(7);
    expect(stepsOf({ recipe: {} })).toBeNull();
    expect(secondsLeft(run)).toBeCloseTo(160);
    expect(secondsLeft({ ...run, status: 'done' })).toBeNull();
    expect(secondsLeft({ ...run, recipe: {} })).toBeNull();
    expect(secondsLeft({ ...run, points: [] })).toBeNull();
  });

  it('writes a recipe as rows', () => {
    expect(rows(run.recipe)).toEqual([['model.layers', '2'], ['train.steps', '100'], ['data', 'x'], ['splits', '[1,2]']]);
  });

  it('finds what was measured', () => {
    expect(measures([run.evaluations, undefined, []])).toEqual(['sums', 'passages']);
    expect(measures([run.points])).toEqual(['loss']);
  });

  it('thins evenly and keeps the ends', () => {
    expect(thinned([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4)).toEqual([0, 3, 6, 9]);
    expect(thinned([1, 2], 4)).toEqual([1, 2]);
  });
});

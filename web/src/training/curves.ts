// Arithmetic of training curves.
import type { TrainingPoint, TrainingRun } from '../api/types';

export type Axis = 'step' | 'tokens' | 'seconds';
export type Curve = [x: number, y: number][];

// Exponential moving average that starts at the first value and is not biased towards it: weight in [0, 1).
export function smooth(values: readonly number[], weight: number): number[] {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = sum * weight + value * (1 - weight);
    norm = norm * weight + (1 - weight);
    return sum / norm;
  });
}

export function curve(points: readonly TrainingPoint[], axis: Axis, value: string): Curve {
  const found: Curve = [];
  for (const point of points) {
    const [x, y] = [point[axis], point[value]];
    if (x !== undefined && y !== undefined && Number.isFinite(x) && Number.isFinite(y)) found.push([x, y]);
  }
  return found;
}

export function smoothed(points: Curve, weight: number): Curve {
  const values = smooth(points.map(([, y]) => y), weight);
  return points.map(([x], i) => [x, values[i]!]);
}

// How many steps a run has in all: as it says, else the first number called "steps" in its recipe, wherever it is in it.
export function stepsOf(run: Pick<TrainingRun, 'steps' | 'recipe'>): number | null {
  return run.steps ?? named(run.recipe, 'steps');
}

function named(table: Record<string, unknown>, name: string): number | null {
  if (typeof table[name] === 'number') return table[name];
  for (const value of Object.values(table)) {
    if (value && typeof value === 'object' && !Array.isArray(value)) {
      const found = named(value as Record<string, unknown>, name);
      if (found !== null) return found;
    }
  }
  return null;
}

// Seconds until a run is over, at the speed of its last tenth; null where that cannot be told.
export function secondsLeft(run: TrainingRun): number | null {
  const steps = stepsOf(run);
  const last = run.points.at(-1);
  const earlier = run.points[Math.floor(run.points.length * 0.9) - 1] ?? run.points[0];
  if (run.status !== 'running' || steps === null || !last || !earlier || last === earlier) return null;
  if (last.seconds === undefined || earlier.seconds === undefined || last.step <= earlier.step) return null;
  return Math.max(0, ((steps - last.step) * (last.seconds - earlier.seconds)) / (last.step - earlier.step));
}

// A recipe as rows: nested tables become dotted names, as TOML would write them.
export function rows(recipe: Record<string, unknown>, under = ''): [string, string][] {
  return Object.entries(recipe).flatMap(([key, value]): [string, string][] => {
    const name = under + key;
    if (value && typeof value === 'object' && !Array.isArray(value)) return rows(value as Record<string, unknown>, `${name}.`);
    return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
  });
}

// Names of the numbers in entries of runs (points, or evaluations) that are no axis, in the order they first appear.
export function measures(entries: readonly (readonly object[] | undefined)[]): string[] {
  const names = new Set<string>();
  for (const list of entries) {
    // The first and the last tell: what is measured does not change from one point to the next.
    for (const entry of list && list.length ? [list[0]!, list.at(-1)!] : []) {
      for (const [name, value] of Object.entries(entry)) if (typeof value === 'number') names.add(name);
    }
  }
  for (const axis of ['step', 'tokens', 'seconds']) names.delete(axis);
  return [...names];
}

// At most `most` of them, the first and the last included, evenly between.
export function thinned<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]!);
}

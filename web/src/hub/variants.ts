// Who is made of whom, and whose models others build upon: what the server says of it, in words and in lines.
import { figures } from '../shell/figures';

export type Verdict = 'verified' | 'plausible' | 'contradicted' | 'unknown';
export type Counts = Record<string, number>; // of models, by relation

// A model as it hangs in a tree; of one that is not here there is a name alone.
export interface Variant {
  id: string;
  here: boolean;
  relation: string;
  verdict: Verdict;
  why: string;
  private?: boolean;
  likes?: number;
  downloads?: number;
  createdAt?: string;
  childrenModelCount?: Counts;
  circle?: boolean;
  elsewhere?: boolean;
  bases?: Variant[];
  children?: Variant[];
  leftOut?: number;
}

export interface VariantTree {
  id: string;
  childrenModelCount: Counts;
  bases: Variant[];
  children: Variant[];
  leftOut: { bases: number; children: number };
}

export interface Runner {
  id: string;
  private: boolean;
  likes: number;
  downloads: number;
  counts: number[]; // a number for each week
}

export interface Race {
  weeks: string[]; // the days they begin
  models: Runner[];
  total: number;
}

const kOnes: Record<string, string> = { finetune: 'fine-tune', adapter: 'adapter', merge: 'merge', quantized: 'quantized version' };
const kWays: Record<string, string> = { finetune: 'by fine-tuning', adapter: 'with an adapter', merge: 'by merging', quantized: 'by quantizing' };
// What a child is of its base; `up`: the way from a base to what was made from it.
export const relationOf = (relation: string, up = false) => ((up ? kWays : kOnes)[relation] ?? relation).replace(/^./, (c) => c.toUpperCase());

// "12 fine-tunes, 1 adapter".
export function countsInWords(counts: Counts | undefined): string {
  return Object.keys(kOnes)
    .filter((relation) => counts?.[relation])
    .map((relation) => `${figures.count(counts![relation]!)} ${kOnes[relation]}${counts![relation] === 1 ? '' : 's'}`)
    .join(', ');
}

export const kVerdicts: Record<Verdict, { word: string; sentence: string }> = {
  verified: { word: 'Verified', sentence: 'Bytes that only the base has are in it; or, of an adapter, each of its matrices fits the base.' },
  plausible: { word: 'Plausible', sentence: 'Its weights lie nearer to the base’s than unrelated ones would, which is no proof.' },
  contradicted: { word: 'Contradicted', sentence: 'Its weights cannot have come from this base as its card says. It does not count as a descendant.' },
  unknown: { word: 'Unknown', sentence: 'Nobody held the two against each other: the base is not here, or has no numbers to compare.' },
};
export const verdictOf = (variant: Variant) => kVerdicts[variant.verdict] ?? kVerdicts.unknown;

// Which verdicts a tree has, for those alone to be explained.
export function verdictsIn(tree: VariantTree): Verdict[] {
  const found = new Set<Verdict>();
  const look = (all: Variant[]) => {
    for (const one of all) {
      found.add(one.verdict in kVerdicts ? one.verdict : 'unknown');
      look(one.bases ?? one.children ?? []);
    }
  };
  look(tree.bases);
  look(tree.children);
  return (Object.keys(kVerdicts) as Verdict[]).filter((verdict) => found.has(verdict));
}

// Of a long list the first are shown, unless that hides one alone.
export const kFolded = 5;
export const shownOf = <T>(all: T[], open: boolean) => (open || all.length <= kFolded + 1 ? all : all.slice(0, kFolded));

// Marks of an axis from zero to at least `most`: whole numbers, four or five of them.
export function ticks(most: number): number[] {
  const step = [1, 2, 5].flatMap((digit) => Array.from({ length: 9 }, (_, zeros) => digit * 10 ** zeros)).sort((a, b) => a - b).find((one) => one * 4 >= most) ?? 1e9;
  return Array.from({ length: Math.max(1, Math.ceil(most / step)) + 1 }, (_, i) => i * step);
}

// The points of a line, as SVG has them, in a box of this size: the first week at its left, `most` at its top.
export function points(counts: number[], most: number, width: number, height: number): string {
  const x = (i: number) => (counts.length > 1 ? (i / (counts.length - 1)) * width : width / 2);
  return counts.map((count, i) => `${round(x(i))},${round(height - (count / most) * height)}`).join(' ');
}
const round = (value: number) => Math.round(value * 10) / 10;

// Weeks that are named under the axis: the first of each month, as many as there is room for.
export function months(weeks: string[], room: number): { index: number; name: string }[] {
  const first = weeks.flatMap((week, index) => (index > 0 && week.slice(0, 7) !== weeks[index - 1]!.slice(0, 7) ? [{ index, week }] : []));
  const every = Math.max(1, Math.ceil(first.length / Math.max(1, room)));
  return first.filter((_, i) => i % every === 0).map(({ index, week }) => ({ index, name: new Date(week).toLocaleDateString('en-GB', { month: 'short', timeZone: 'UTC', ...(week.slice(5, 7) === '01' && { year: 'numeric' }) }) }));
}

// How many each of the first had in one week, by the ends of their names.
export const weekInWords = (models: Runner[], week: number) => models.slice(0, 6).map((one) => `${one.id.slice(one.id.indexOf('/') + 1)} ${(one.counts[week] ?? 0).toLocaleString('en')}`).join(', ');

// What the picture says, in a sentence.
export function raceInWords({ models, weeks }: Race): string {
  const [first, ...others] = models;
  if (!first) return 'Nobody has built upon a model here yet.';
  const now = (one: Runner) => one.counts.at(-1) ?? 0;
  return `Descendants of ${models.length} ${models.length === 1 ? 'model' : 'models'} over ${weeks.length} ${weeks.length === 1 ? 'week' : 'weeks'}: ${first.id} has ${now(first)}${others.length ? `, ${others.slice(0, 2).map((one) => `${one.id} ${now(one)}`).join(', ')}` : ''}.`;
}

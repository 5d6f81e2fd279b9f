// A run's colour and its dash: two ways to tell runs apart, so that colour is never the only one.
export const kSeries = ['--series-0', '--series-1', '--series-2', '--series-3', '--series-4', '--series-5'];
export const kDashes: number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

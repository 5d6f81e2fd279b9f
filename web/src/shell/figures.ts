// Figures as people read them: with units, at the precision they deserve.

const kThin = '\u202f'; // between a figure and its unit

export const figures = {
  // 2,600,000 -> "2.6 M"
  count(n: number): string {
    const [unit, value] = n >= 1e12 ? ['T', n / 1e12] : n >= 1e9 ? ['B', n / 1e9] : n >= 1e6 ? ['M', n / 1e6] : n >= 1e4 ? ['k', n / 1e3] : ['', n];
    return (value as number).toLocaleString('en', { maximumFractionDigits: (value as number) < 100 && unit ? 1 : 0 }) + (unit ? kThin + unit : '');
  },
  // 98,000,000 -> "98 MB"
  bytes(n: number): string {
    const [unit, value] = n >= 1e9 ? ['GB', n / 1e9] : n >= 1e6 ? ['MB', n / 1e6] : n >= 1e3 ? ['kB', n / 1e3] : ['B', n];
    return `${(value as number).toLocaleString('en', { maximumFractionDigits: (value as number) < 10 && unit !== 'B' ? 1 : 0 })}${kThin}${unit}`;
  },
  rate(n: number): string {
    return n.toLocaleString('en', { maximumFractionDigits: n < 100 ? 1 : 0 });
  },
  // A probability: 83 %, 4.2 %, 0.03 %, 99.97 %. Never 0 % of what is possible, nor 100 % of what is not certain.
  p(p: number): string {
    if (!(p >= 0)) return '–';
    const percent = Math.min(100, p * 100);
    const digits = percent < 1 ? 2 : percent < 9.95 ? 1 : percent < 99.5 ? 0 : percent < 99.95 ? 1 : 2;
    const [least, most] = [0.01, 99.99];
    if (percent > 0 && percent < least) return `<${kThin}${least}${kThin}%`;
    if (percent > most && percent < 100) return `>${kThin}${most}${kThin}%`;
    return `${percent === 0 || percent === 100 ? percent : percent.toFixed(digits)}${kThin}%`;
  },
  seconds(ms: number): string {
    const s = ms / 1000;
    if (s < 10) return `${s.toFixed(1)}${kThin}s`;
    if (s < 90) return `${Math.round(s)}${kThin}s`;
    const minutes = Math.round(s / 60);
    return minutes < 90 ? `${minutes}${kThin}min` : `${Math.floor(minutes / 60)}${kThin}h ${minutes % 60}${kThin}min`;
  },
};

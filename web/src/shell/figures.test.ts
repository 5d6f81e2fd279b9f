import { describe, expect, it } from 'vitest';
import { figures } from './figures';

const plain = (text: string) => text.replaceAll('\u202f', ' ');

describe('figures', () => {
  it('say a probability with the digits that count', () => {
    const said = [1, 0.83, 0.5, 0.104, 0.0996, 0.042, 0.0099, 0.0003, 0.0001, 0].map((p) => plain(figures.p(p)));
    expect(said).toEqual(['100 %', '83 %', '50 %', '10 %', '10 %', '4.2 %', '0.99 %', '0.03 %', '0.01 %', '0 %']);
  });

  it('never say 0 % of what is possible, nor 100 % of what is not certain', () => {
    expect([0.00009, 1e-30, 5e-324].map((p) => plain(figures.p(p)))).toEqual(['< 0.01 %', '< 0.01 %', '< 0.01 %']);
    expect([0.994, 0.997, 0.9997, 0.99996, 1 - 1e-12].map((p) => plain(figures.p(p)))).toEqual(['99 %', '99.7 %', '99.97 %', '> 99.99 %', '> 99.99 %']);
  });

  it('say nothing of what is no probability; rounding errors above 1 are 1', () => {
    expect([NaN, -0.1, 1.0000001].map((p) => plain(figures.p(p)))).toEqual(['–', '–', '100 %']);
  });

  it('say counts and bytes with their units', () => {
    expect([3_148_032, 12_800, 999].map((n) => plain(figures.count(n)))).toEqual(['3.1 M', '12.8 k', '999']);
    expect([19_300_000, 9_100, 12].map((n) => plain(figures.bytes(n)))).toEqual(['19 MB', '9.1 kB', '12 B']);
  });
});

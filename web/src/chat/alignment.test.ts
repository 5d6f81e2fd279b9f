import { describe, expect, it } from 'vitest';
import { align, firstSaid, spelled } from './alignment';
import type { Token } from './tokens';

const token = (text: string, bytes?: number[]): Token => ({ text, logprob: -1, top: [], ...(bytes && { bytes }) });
const words = (...texts: string[]) => texts.map((text) => token(text));

describe('alignment of what is shown with what was said', () => {
  it('finds letters past the marks that rendering drops', () => {
    const said = 'is **42**, `x_1` and\n- [a link](http://b.c/d)';
    const shown = 'is 42, x_1 and\na link';
    const places = align(shown, said);
    for (let i = 0; i < shown.length; i++) if (places[i]! >= 0) expect(said[places[i]!]).toBe(shown[i]);
    expect(places[shown.indexOf('4')]).toBe(said.indexOf('4'));
    expect(places[shown.indexOf('link')]).toBe(said.indexOf('link'));
    expect(places[2]).toBe(-1); // a space
  });

  it('takes a word whole where it stands whole', () => {
    expect([...align('token is', 'token *i* is')].slice(6)).toEqual([10, 11]);
    expect([...align('unbelievable', 'un**believ**able unbelievable')].slice(0, 3)).toEqual([0, 1, 4]);
  });

  it('goes on after something that was never said', () => {
    const places = align('one Ω two', 'one two');
    expect([...places]).toEqual([0, 1, 2, -1, -1, -1, 4, 5, 6]);
    expect([...align('', 'x')]).toEqual([]);
    expect([...align('z', 'x'.repeat(1000) + 'z')]).toEqual([-1]); // too far to be it
  });

  it('knows the token of each letter, and of characters cut between tokens', () => {
    const fox = [0xf0, 0x9f, 0xa6, 0x8a];
    const tokens = [token('a '), token('\ufffd', fox.slice(0, 2)), token('\ufffd', fox.slice(2)), token('b')];
    const { text, owner } = spelled(tokens);
    expect(text).toBe('a 🦊b');
    expect([...owner]).toEqual([0, 0, 1, 1, 3]);
    const lost = spelled([token('x'), token('\ufffd', [0xe2, 0x82])]);
    expect(lost.text).toBe('x\ufffd');
    expect([...lost.owner]).toEqual([0, 1]);
    // The end of one character and the start of the next in one token.
    const euros = spelled([token('\ufffd', [0xe2, 0x82]), token('\ufffd', [0xac, 0xe2]), token('\ufffd', [0x82, 0xac]), token('!')]);
    expect(euros.text).toBe('€€!');
    expect([...euros.owner]).toEqual([0, 1, 3]);
  });

  it('leaves the reasoning out of what is said', () => {
    const tokens = words('<think>', '\n', 'hm', '</think>', '\n\n', 'Yes', '.');
    const { text, owner } = spelled(tokens);
    expect(firstSaid(tokens, text, owner)).toBe(4);
    expect(firstSaid(tokens.slice(0, 3), '<think>\nhm', owner)).toBe(3);
    expect(firstSaid(words('Yes'), 'Yes', Int32Array.of(0, 0, 0))).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { perplexity, probability, rampStep, rankOf, running, spell, tokenOf, tokensOfLegacy, visible } from './tokens';

describe('tokens', () => {
  it('keeps bytes only where the text does not say them', () => {
    const plain = tokenOf({ token: ' fox', bytes: [32, 102, 111, 120], logprob: -0.5, top_logprobs: [{ token: ' fox', bytes: null, logprob: -0.5 }] });
    expect(plain).toEqual({ text: ' fox', logprob: -0.5, top: [{ text: ' fox', logprob: -0.5 }] });
    const half = tokenOf({ token: '\ufffd', bytes: [0xe2, 0x80], logprob: -1 });
    expect(half.bytes).toEqual([0xe2, 0x80]);
  });

  it('spells characters that are cut between tokens, and refuses half of one', () => {
    const euro = [{ text: 'a' }, { text: '\ufffd', bytes: [0xe2, 0x82] }, { text: '\ufffd', bytes: [0xac] }, { text: '!' }];
    expect(spell(euro)).toBe('a€!');
    expect(spell(euro.slice(0, 2))).toBeNull();
    expect(spell([])).toBe('');
    expect(spell([{ text: '\ufffd', bytes: [0xef, 0xbb, 0xbf] }])).toBe('\ufeff');
  });

  it('reads the older format of /v1/completions', () => {
    const [first, second] = tokensOfLegacy({
      tokens: ['a', 'bytes:\\xe2\\x80'],
      token_logprobs: [-0.1, -2],
      top_logprobs: [{ b: -3, a: -0.1 }, null],
    });
    expect(first!.top.map((other) => other.text)).toEqual(['a', 'b']);
    expect(second!.bytes).toEqual([0xe2, 0x80]);
  });

  it('ranks a token among its alternatives', () => {
    const token = { text: 'b', logprob: -2, top: [{ text: 'a', logprob: -0.2 }, { text: 'b', logprob: -2 }] };
    expect(rankOf(token)).toBe(2);
    expect(rankOf({ ...token, text: 'z' })).toBe(0);
  });

  it('has a step of the ramp for every probability', () => {
    expect([1, 0.9, 0.5, 0.12, 0, NaN, 1.0000001].map(rampStep)).toEqual([0, 0, 4, 7, 7, 0, 0]);
    expect(probability({ logprob: -Infinity })).toBe(0);
  });

  it('draws what cannot be seen', () => {
    expect(visible({ text: ' a\n\t' })).toBe('␣a↵⇥');
    expect(visible({ text: '', bytes: [0xe2] })).toBe('E2');
    expect(running({ text: 'a\n' })).toBe('a↵\n');
  });

  it('measures how unsure an answer was', () => {
    const token = (p: number) => ({ text: '', logprob: Math.log(p), top: [] });
    expect(perplexity([token(0.5), token(0.125)])).toBeCloseTo(4);
    expect(perplexity([token(1)])).toBeCloseTo(1);
    expect(perplexity([])).toBeNaN();
  });
});

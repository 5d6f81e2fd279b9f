// Tokens of an answer: their text and bytes, how likely they were, and what else was.
import type { LegacyLogprobs, LogprobEntry } from '../api/types';

export interface Alternative {
  text: string;
  bytes?: number[]; // only where they are not the UTF-8 of text: a token may be half a character
  logprob: number;
}

export interface Token extends Alternative {
  top: Alternative[]; // the most likely first; usually holds the token itself
}

const utf8 = new TextEncoder();

export function bytesOf(token: { text: string; bytes?: number[] }): ArrayLike<number> {
  return token.bytes ?? utf8.encode(token.text);
}

function alternative(entry: { token: string; bytes?: number[] | null; logprob: number }): Alternative {
  const bytes = entry.bytes;
  if (bytes) {
    const text = utf8.encode(entry.token);
    if (text.length !== bytes.length || text.some((byte, i) => byte !== bytes[i])) {
      return { text: entry.token, bytes, logprob: entry.logprob };
    }
  }
  return { text: entry.token, logprob: entry.logprob };
}

export function tokenOf(entry: LogprobEntry): Token {
  return { ...alternative(entry), top: (entry.top_logprobs ?? []).map(alternative) };
}

// /v1/completions writes a token that is half a character as "bytes:\xe2\x80".
function legacyAlternative(text: string, logprob: number): Alternative {
  if (!/^bytes:(\\x[0-9a-f]{2})+$/i.test(text)) return { text, logprob };
  const bytes = [...text.matchAll(/\\x(..)/g)].map((match) => parseInt(match[1]!, 16));
  return { text: '\ufffd', bytes, logprob };
}

export function tokensOfLegacy(logprobs: LegacyLogprobs): Token[] {
  return logprobs.tokens.map((text, i) => ({
    ...legacyAlternative(text, logprobs.token_logprobs[i] ?? NaN),
    top: Object.entries(logprobs.top_logprobs?.[i] ?? {})
      .map(([other, logprob]) => legacyAlternative(other, logprob))
      .sort((a, b) => b.logprob - a.logprob),
  }));
}

// The text that tokens spell, or null where it would begin or end within a character.
export function spell(tokens: readonly { text: string; bytes?: number[] }[]): string | null {
  if (tokens.every((token) => !token.bytes)) return tokens.map((token) => token.text).join('');
  const bytes = tokens.flatMap((token) => Array.from(bytesOf(token)));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
}

export const sameToken = (a: Alternative, b: Alternative) =>
  a.text === b.text && (a.bytes ?? []).join() === (b.bytes ?? []).join();

// An alternative's place among the most likely, from 1; 0 where it is not among those that are known.
export const rankOf = (token: Token) => token.top.findIndex((other) => sameToken(other, token)) + 1;

export const probability = (token: { logprob: number }) => Math.exp(token.logprob);

// Which of the ramp's eight steps shows this probability: 0 is likely (paper), 7 unlikely.
export function rampStep(p: number): number {
  if (!(p >= 0)) return 0;
  return Math.min(7, Math.max(0, Math.floor((1 - p) * 8)));
}

// What a token looks like where its edges matter: spaces, tabs and line ends drawn, bytes of half a character in hex.
export function visible(token: { text: string; bytes?: number[] }): string {
  if (token.bytes) return token.bytes.map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(' ');
  if (token.text === '') return '∅';
  return token.text.replace(/ /g, '␣').replace(/\n/g, '↵').replace(/\t/g, '⇥').replace(/\r/g, '␍');
}

// What a token looks like in running text. Line ends are drawn and kept.
export function running(token: { text: string; bytes?: number[] }): string {
  if (token.bytes) return `‹${token.bytes.map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(' ')}›`;
  return token.text.replace(/\n/g, '↵\n');
}

// exp of the mean surprise: 1 is certain of every token, n as unsure as among n equal ones.
export function perplexity(tokens: readonly Token[]): number {
  const known = tokens.filter((token) => Number.isFinite(token.logprob));
  if (!known.length) return NaN;
  return Math.exp(-known.reduce((sum, token) => sum + token.logprob, 0) / known.length);
}

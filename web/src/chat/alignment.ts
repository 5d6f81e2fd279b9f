// Which token a letter of the rendered text came from. Rendering Markdown drops marks and keeps the letters in order, so
// what is shown is a subsequence of what was said: walking both together finds each letter's place.
import { bytesOf, type Token } from './tokens';

// How far ahead a letter is looked for, and how much later than its letters' earliest places a word may stand whole.
const kAhead = 400;
const kSlack = 12;

// For every UTF-16 unit of `shown`, where it is in `said`; -1 for white space and for what was not said (a label added).
// The earliest place that fits is taken, which leaves the most for what follows; but a word is taken whole where it
// stands whole nearby ("is" is not the i of "*i* is").
export function align(shown: string, said: string): Int32Array {
  const places = new Int32Array(shown.length).fill(-1);
  let at = 0;
  for (const word of shown.matchAll(/\S+/g)) {
    const letters = word[0];
    const apart: number[] = [];
    let next = at;
    for (const letter of letters.split('')) {
      const found = said.indexOf(letter, next);
      const fits = found >= 0 && found - next <= kAhead;
      apart.push(fits ? found : -1);
      if (fits) next = found + 1;
    }
    const whole = said.indexOf(letters, at);
    const together = whole >= 0 && !apart.includes(-1) && whole + letters.length - next <= kSlack;
    for (let i = 0; i < letters.length; i++) places[word.index + i] = together ? whole + i : apart[i]!;
    at = together ? whole + letters.length : next;
  }
  return places;
}

// The text that tokens spell, and for each of its UTF-16 units the token that its character begins in. Bytes that are no
// character spell U+FFFD.
export function spelled(tokens: readonly Token[]): { text: string; owner: Int32Array } {
  const whole = new TextDecoder('utf-8', { ignoreBOM: true });
  let text = '';
  const owner: number[] = [];
  let begun = -1; // the token that the character now being put together began in
  tokens.forEach((token, i) => {
    if (begun < 0 && !token.bytes) {
      text += token.text;
      for (let k = 0; k < token.text.length; k++) owner.push(i);
      return;
    }
    const piece = whole.decode(new Uint8Array(Array.from(bytesOf(token))), { stream: true });
    text += piece;
    for (let k = 0; k < piece.length; k++) {
      owner.push(begun >= 0 ? begun : i);
      if (k + 1 >= (piece.codePointAt(0)! > 0xffff ? 2 : 1)) begun = -1; // only the first character began earlier
    }
    const bytes = bytesOf(token);
    if (begun < 0 && bytes.length && isCut(bytes)) begun = i;
  });
  const rest = whole.decode();
  text += rest;
  for (let k = 0; k < rest.length; k++) owner.push(begun >= 0 ? begun : tokens.length - 1);
  return { text, owner: Int32Array.from(owner) };
}

// Whether bytes of UTF-8 end within a character.
function isCut(bytes: ArrayLike<number>): boolean {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return false;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2);
  }
  return false;
}

// The token that what is said begins with: after the mark that ends the reasoning.
export function firstSaid(tokens: readonly Token[], text: string, owner: Int32Array): number {
  if (!/^\s*<think>/.test(text) && !text.includes('</think>')) return 0;
  const end = text.indexOf('</think>');
  if (end < 0) return tokens.length;
  const after = end + '</think>'.length;
  return after < owner.length ? owner[after]! : tokens.length;
}

import { describe, expect, it } from 'vitest';
import { nextOf, cursorOf, searchPath } from './hub';
import { ago, day, languageOf, laidOut, mayRunCode, minute, textOf, texts, titled, weights } from './words';

const kNow = Date.parse('2026-12-01T12:00:00Z');
const plain = (text: string | null) => text?.replaceAll('\u202f', ' ');

describe('words of the hub', () => {
  it('say when', () => {
    const said = ['2026-12-01T11:59:30Z', '2026-12-01T11:59:00Z', '2026-12-01T11:01:00Z', '2026-12-01T11:00:00Z', '2026-11-30T12:00:01Z', '2026-11-30T12:00:00Z', '2026-11-02T12:00:00Z', '2026-11-01T12:00:00.000Z', '2027-01-01T00:00:00Z', 'nonsense'].map((date) => ago(date, kNow));
    expect(said).toEqual(['just now', '1 minute ago', '59 minutes ago', '1 hour ago', '23 hours ago', '1 day ago', '29 days ago', '1 Nov 2026', 'just now', '–']);
    expect([ago(undefined, kNow), day(undefined), minute(''), minute('2026-12-01T03:05:09.123Z')]).toEqual(['–', '–', '', '1 Dec 2026, 03:05 UTC']);
  });

  it('say weights by the dtypes that matter', () => {
    expect(plain(weights({ parameters: { BF16: 134_515_008 }, total: 134_515_008 }))).toBe('135 M BF16');
    expect(plain(weights({ parameters: { F32: 1000, BF16: 3_669_000 }, total: 3_670_000 }))).toBe('3.7 M BF16');
    expect(plain(weights({ parameters: { F32: 4e9, I8: 4e9 }, total: 8e9 }))).toBe('8 B F32 and I8');
    expect([weights(undefined), weights({ parameters: {}, total: 0 })]).toEqual([null, null]);
    expect([titled('text-generation'), titled('fill_mask')]).toEqual(['Text generation', 'Fill mask']);
  });

  it('flag files that could run code', () => {
    expect(['a.bin', 'x/y.pkl', 'z.py', 'm.pt'].every(mayRunCode)).toBe(true);
    expect(['a.safetensors', 'binary', 'py', 'a.pyc', 'README.md', 'config.json'].some(mayRunCode)).toBe(false);
  });

  it('take texts of a card as they come', () => {
    expect([texts('mit'), texts(['en', 1, 'fr', null]), texts(undefined), texts({ a: 1 })]).toEqual([['mit'], ['en', 'fr'], [], []]);
  });

  it('lay JSON out and change no number and no text', () => {
    expect(laidOut('{"a":[1,{"b":"x, {y}: \\" [z]"}],"c":{},"d":[],"e":12345678901234567890,"f":1.50}')).toBe(
      '{\n  "a": [\n    1,\n    {\n      "b": "x, {y}: \\" [z]"\n    }\n  ],\n  "c": {},\n  "d": [],\n  "e": 12345678901234567890,\n  "f": 1.50\n}',
    );
    expect(laidOut(' "alone" ')).toBe('"alone"');
    for (const text of ['', '{', '{"a":}', 'hello', '{"a":1} x']) expect(laidOut(text)).toBeNull();
  });

  it('tell text from what is none', () => {
    const bytes = new TextEncoder().encode('naïve 🦊');
    expect(textOf(bytes, true)).toBe('naïve 🦊');
    expect(textOf(bytes.subarray(0, bytes.length - 2), false)).toBe('naïve '); // cut within the fox
    expect(textOf(bytes.subarray(0, bytes.length - 2), true)).toBeNull();
    expect(textOf(new Uint8Array([65, 0, 66]), true)).toBeNull();
    expect(textOf(new Uint8Array([0xff, 0xfe]), true)).toBeNull();
    expect([languageOf('a.JSON'), languageOf('x/y.py'), languageOf('LICENSE')]).toEqual(['json', 'python', '']);
  });
});

describe('asking the hub', () => {
  it('goes on where Link says, on this server alone', () => {
    const link = '<http://127.0.0.1:8080/api/models?search=a&cursor=4.5_12>; rel="next"';
    expect(nextOf(link)).toBe('/api/models?search=a&cursor=4.5_12');
    expect(cursorOf(nextOf(link))).toBe('4.5_12');
    expect(nextOf('<https://evil.example/x>; rel="next"')).toBeNull();
    expect([nextOf(null), nextOf(''), nextOf('<http://h/api/x>; rel="prev"'), cursorOf(null)]).toEqual([null, null, null, null]);
  });

  it('says words, tags, order and page in the query', () => {
    const query = new URLSearchParams(searchPath({ kind: 'dataset', owner: 'lab', words: ' fox  crow ', tags: ['license:mit', 'en'], sort: 'changed', cursor: '1_2' }).split('?')[1]);
    expect(query.getAll('search')).toEqual(['fox', 'crow']);
    expect(query.getAll('filter')).toEqual(['license:mit', 'en']);
    expect([query.get('author'), query.get('sort'), query.get('cursor')]).toEqual(['lab', 'lastModified', '1_2']);
  });
});

import { describe, expect, it } from 'vitest';
import { distribution, numbers, readHeader } from './safetensors';

function file(header: unknown, data = 0, length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}
const read = (bytes: Uint8Array, asked: number[][] = []) => readHeader(async (begin, end) => (asked.push([begin, end]), bytes.slice(begin, end)), bytes.length);

describe('the header of safetensors', () => {
  it('names tensors in the order of their bytes', async () => {
    const bytes = file({ __metadata__: { format: 'pt', n: 1 }, b: { dtype: 'BF16', shape: [2, 3], data_offsets: [4, 16] }, a: { dtype: 'F32', shape: [], data_offsets: [0, 4] }, e: { dtype: 'F32', shape: [0], data_offsets: [16, 16] } }, 16);
    const { tensors, metadata } = await read(bytes);
    const start = bytes.length - 16;
    expect(tensors.map((one) => [one.name, one.count, one.begin - start, one.end - start])).toEqual([['a', 1, 0, 4], ['b', 6, 4, 16], ['e', 0, 16, 16]]);
    expect(metadata).toEqual([['format', 'pt'], ['n', '1']]);
  });

  it('is read in two requests where it is long', async () => {
    const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`layers.${i}.weight`, { dtype: 'U8', shape: [1], data_offsets: [i, i + 1] }]));
    const bytes = file(many, 3000);
    const asked: number[][] = [];
    expect((await read(bytes, asked)).tensors.length).toBe(3000);
    expect(asked).toEqual([[0, 65536], [65536, bytes.length - 3000]]);
  });

  it('is refused where anything in it is not so', async () => {
    const wrong: [Uint8Array, RegExp][] = [
      [new Uint8Array(3), /3 bytes/],
      [file('{}', 0, 2n ** 63n), /after the file/],
      [file('{}', 0, 3n), /after the file/],
      [file('[]'), /no JSON object/],
      [file('nonsense'), /no JSON/],
      [file({ a: null }), /no dtype/],
      [file({ a: { dtype: 'F32', shape: [-1], data_offsets: [0, 4] } }, 4), /no dtype or shape/],
      [file({ a: { dtype: 'F32', shape: [1.5], data_offsets: [0, 4] } }, 4), /no dtype or shape/],
      [file({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 8] } }, 4), /not within the file/],
      [file({ a: { dtype: 'F32', shape: [1], data_offsets: [4, 0] } }, 4), /not within the file/],
      [file({ a: { dtype: 'F32', shape: [1], data_offsets: ['0', 4] } }, 4), /not within the file/],
      [file({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }, 4), /4 bytes, which is not/],
      [file({ a: { dtype: 'X', shape: [2 ** 40, 2 ** 40], data_offsets: [0, 4] } }, 4), /not what X/],
    ];
    for (const [bytes, why] of wrong) await expect(read(bytes)).rejects.toThrow(why);
  });

  it('is refused where it is larger than is read here, before it is asked for', async () => {
    const first = new Uint8Array(65536);
    new DataView(first.buffer).setBigUint64(0, 33_000_000n, true);
    const asked: number[] = [];
    await expect(readHeader(async (begin, end) => (asked.push(end), first.slice(begin, end)), 1e9)).rejects.toThrow(/33,000,000 bytes/);
    expect(asked).toEqual([65536]);
  });
});

describe('numbers of a tensor', () => {
  it('are read in each dtype', () => {
    expect([...numbers('F32', new Uint8Array([0, 0, 128, 63, 0, 0, 0, 192]))!]).toEqual([1, -2]);
    expect([...numbers('BF16', new Uint8Array([128, 63, 0, 192]))!]).toEqual([1, -2]);
    expect([...numbers('F16', new Uint8Array([0, 60, 0, 192, 1, 0, 0, 124]))!]).toEqual([1, -2, 2 ** -24, Infinity]);
    expect([...numbers('I8', new Uint8Array([255, 1]))!]).toEqual([-1, 1]);
    expect([...numbers('F32', new Uint8Array([0, 0, 128]))!]).toEqual([]);
    expect(numbers('F8_E4M3', new Uint8Array(4))).toBeNull();
  });

  it('are counted into bins, the strange ones apart', () => {
    expect(distribution(Float64Array.from([0, 1, 2, 3, 4, NaN, Infinity]), 4)).toEqual({ count: 5, least: 0, most: 4, mean: 2, deviation: Math.SQRT2, strange: 2, bins: [1, 1, 1, 2] });
    expect(distribution(Float64Array.from([7, 7]), 3)).toMatchObject({ least: 7, most: 7, deviation: 0, bins: [2, 0, 0] });
    expect(distribution(Float64Array.from([NaN]), 3)).toBeNull();
  });
});

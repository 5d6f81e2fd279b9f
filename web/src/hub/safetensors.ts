// The header of a safetensors file: eight bytes of length, then JSON that names each tensor's dtype, shape and bytes.
// Files are strangers': every number is checked against the file before it is used.

export interface Tensor {
  name: string;
  dtype: string;
  shape: number[];
  count: number; // of numbers
  begin: number; // bytes of the file
  end: number;
}

export interface Header {
  tensors: Tensor[];
  metadata: [string, string][];
}

type Read = (begin: number, end: number) => Promise<Uint8Array>;

export const kMostHeader = 32e6;
const kFirst = 65536; // enough for small models: one request

const kBits: Record<string, number> = {
  F64: 64, I64: 64, U64: 64, F32: 32, I32: 32, U32: 32, F16: 16, BF16: 16, I16: 16, U16: 16, I8: 8, U8: 8, BOOL: 8, F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F4: 4, C64: 64,
};

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

// Throws Error with a sentence for the reader.
export async function readHeader(read: Read, size: number): Promise<Header> {
  const wrong = (why: string) => new Error(`This is no safetensors file that can be read: ${why}.`);
  if (size < 8) throw wrong(`it has ${size} bytes, and its length alone takes 8`);
  let bytes = await read(0, Math.min(size, kFirst));
  if (bytes.length < 8) throw wrong('it ended within its first 8 bytes');
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > size - 8) throw wrong(`its header would end after the file`);
  if (length > kMostHeader) throw wrong(`its header has ${length.toLocaleString('en')} bytes, and at most ${kMostHeader.toLocaleString('en')} are read here`);
  if (bytes.length < 8 + length) {
    const rest = await read(bytes.length, 8 + length);
    const all = new Uint8Array(bytes.length + rest.length);
    all.set(bytes);
    all.set(rest, bytes.length);
    bytes = all;
  }
  if (bytes.length < 8 + length) throw wrong('it ended within its header');
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    throw wrong('its header is no JSON');
  }
  if (!header || typeof header !== 'object' || Array.isArray(header)) throw wrong('its header is no JSON object');
  const tensors: Tensor[] = [];
  let metadata: [string, string][] = [];
  const room = size - 8 - length;
  for (const [name, value] of Object.entries(header as Record<string, unknown>)) {
    if (name === '__metadata__') {
      metadata = Object.entries((value ?? {}) as Record<string, unknown>).map(([key, one]) => [key, String(one)]);
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
    if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every(isWhole)) throw wrong(`the tensor ${name} has no dtype or shape`);
    const [begin, end]: unknown[] = Array.isArray(offsets) && offsets.length === 2 ? offsets : [];
    if (!isWhole(begin) || !isWhole(end) || begin > end || end > room) throw wrong(`the bytes of the tensor ${name} are not within the file`);
    const count = shape.reduce<number>((product, one) => product * one, 1);
    const bits = kBits[dtype];
    if (!Number.isSafeInteger(count) || (bits && (count * bits) / 8 !== end - begin)) {
      throw wrong(`the tensor ${name} has ${end - begin} bytes, which is not what ${dtype} of its shape takes`);
    }
    tensors.push({ name, dtype, shape, count, begin: 8 + length + begin, end: 8 + length + end });
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  return { tensors, metadata };
}

const half = (bits: number) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
};

// The numbers of little-endian bytes; null for a dtype whose numbers are not read here.
export function numbers(dtype: string, bytes: Uint8Array): Float64Array | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const single = new DataView(new ArrayBuffer(4));
  const readers: Record<string, [number, (at: number) => number]> = {
    F64: [8, (at) => view.getFloat64(at, true)],
    F32: [4, (at) => view.getFloat32(at, true)],
    F16: [2, (at) => half(view.getUint16(at, true))],
    BF16: [2, (at) => (single.setUint32(0, view.getUint16(at, true) << 16), single.getFloat32(0))],
    I32: [4, (at) => view.getInt32(at, true)],
    I16: [2, (at) => view.getInt16(at, true)],
    I8: [1, (at) => view.getInt8(at)],
    U8: [1, (at) => view.getUint8(at)],
    BOOL: [1, (at) => view.getUint8(at)],
  };
  const found = readers[dtype];
  if (!found) return null;
  const [width, value] = found;
  return Float64Array.from({ length: Math.floor(bytes.length / width) }, (_, i) => value(i * width));
}

export interface Distribution {
  count: number;
  least: number;
  most: number;
  mean: number;
  deviation: number;
  strange: number; // not a number, or infinite
  bins: number[]; // counts between least and most
}

export function distribution(values: Float64Array, bins: number): Distribution | null {
  let [least, most, sum, squares, count] = [Infinity, -Infinity, 0, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    count++;
    sum += value;
    squares += value * value;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (!count) return null;
  const counts = new Array<number>(bins).fill(0);
  const width = (most - least) / bins || 1;
  for (const value of values) if (Number.isFinite(value)) counts[Math.min(bins - 1, Math.floor((value - least) / width))]!++;
  const mean = sum / count;
  return { count, least, most, mean, deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)), strange: values.length - count, bins: counts };
}

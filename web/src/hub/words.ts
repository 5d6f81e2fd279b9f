// Facts of repositories as people read them.
import { figures } from '../shell/figures';

// "3 days ago", and the day itself once it is long ago.
export function ago(date: string | undefined, now: number): string {
  const then = Date.parse(date ?? '');
  if (Number.isNaN(then)) return '–';
  const seconds = (now - then) / 1000;
  if (seconds < 60) return 'just now';
  for (const [unit, size, most] of [['minute', 60, 60], ['hour', 3600, 24], ['day', 86400, 30]] as const) {
    const count = Math.floor(seconds / size);
    if (count < most) return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
  }
  return day(date);
}

export function day(date: string | undefined): string {
  const then = new Date(date ?? '');
  return Number.isNaN(then.getTime()) ? '–' : then.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
}

// Until the minute, for a title: "1 Dec 2026, 03:15 UTC".
export function minute(date: string | undefined): string {
  const then = new Date(date ?? '');
  return Number.isNaN(then.getTime()) ? '' : `${day(date)}, ${then.toISOString().slice(11, 16)} UTC`;
}

// Dtypes, most numbers first.
export function dtypes(parameters: Record<string, number> | undefined): [string, number][] {
  return Object.entries(parameters ?? {}).sort((a, b) => b[1] - a[1]);
}

// "135 M BF16".
export function weights(safetensors: { parameters: Record<string, number>; total: number } | undefined): string | null {
  if (!safetensors?.total) return null;
  const all = dtypes(safetensors.parameters);
  const named = all.filter(([, count]) => count >= safetensors.total / 20).map(([dtype]) => dtype); // not those of a few norms
  return `${figures.count(safetensors.total)} ${named.slice(0, 2).join(' and ')}`.trim();
}

// "text-generation" -> "Text generation".
export const titled = (tag: string) => tag.replaceAll(/[-_]/g, ' ').replace(/^./, (c) => c.toUpperCase());

export const kRelations: Record<string, string> = {
  finetune: 'Fine-tuned from',
  adapter: 'Adapter of',
  quantized: 'Quantized from',
  merge: 'Merged from',
};

// Files that a program which loads them may run code out of, as the server has it.
const kCode = ['.pkl', '.pickle', '.pt', '.pth', '.ckpt', '.bin', '.joblib', '.py'];
export const mayRunCode = (path: string) => kCode.some((ending) => path.endsWith(ending));

// Tags that say something a row does not say elsewhere: not its task, licence in words, nor what others are derived from.
export const kQuietTags = /^(?:region:|base_model:|dataset:|arxiv:|license:)/;

// One text or several of a card's field.
export function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}

// JSON on lines, two spaces a level. Numbers and texts stay as they are written. Null for what is no JSON.
export function laidOut(text: string): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  let out = '';
  let level = 0;
  const line = () => '\n' + '  '.repeat(level);
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token === '{' || token === '[') {
      const close = token === '{' ? '}' : ']';
      if (tokens[i + 1] === close) {
        out += token + close;
        i++;
        continue;
      }
      level++;
      out += token + line();
    } else if (token === '}' || token === ']') {
      level--;
      out += line() + token;
    } else if (token === ',') out += ',' + line();
    else out += token === ':' ? ': ' : token;
  }
  return out;
}

// Text of bytes; null where they are none: a zero byte, or no UTF-8. A character that the end cut in two is left out.
export function textOf(bytes: Uint8Array, isWhole: boolean): string | null {
  if (bytes.subarray(0, 8192).includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes, { stream: !isWhole });
  } catch {
    return null;
  }
}

const kLanguages: Record<string, string> = {
  json: 'json', jsonl: 'json', py: 'python', js: 'javascript', ts: 'typescript', sh: 'bash', md: '', yaml: 'yaml', yml: 'yaml',
  toml: '', cc: 'cpp', cpp: 'cpp', h: 'cpp', rs: 'rust', go: 'go', java: 'java', css: 'css', html: 'xml', xml: 'xml', sql: 'sql', diff: 'diff',
};
export const languageOf = (path: string) => kLanguages[path.slice(path.lastIndexOf('.') + 1).toLowerCase()] ?? '';

// The classes of the Model Openness Framework, by how far a model got.
export const kOpenness = ['Not an open model yet', 'Open science (class I)', 'Open tooling (class II)', 'Open model (class III)'] as const;

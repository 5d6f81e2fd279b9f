// What the hub says, as it says it (the Hugging Face Hub's format), and asking it.
import { ApiError, ask } from '../api/client';
import { apiHref, type Kind, type RepositoryName } from './route';
import type { Counts, Race, VariantTree, Verdict } from './variants';

export interface Listed {
  id: string;
  author?: string;
  private?: boolean;
  gated?: false | 'auto' | 'manual';
  likes?: number;
  downloads?: number;
  tags?: string[];
  pipeline_tag?: string;
  library_name?: string;
  lastModified?: string;
  createdAt?: string;
  safetensors?: { parameters: Record<string, number>; total: number };
}

// By the Model Openness Framework: which of its components were found, and what would be the cheapest to add.
export interface Openness {
  class: number; // 3 to 1, the most open; 0: none
  components: { name: string; class: number; optional: boolean; found?: string }[];
  licence?: string; // what keeps it from being an open one
  next?: string;
}

export interface Repository extends Listed {
  sha: string;
  usedStorage?: number;
  openness?: Openness;
  cardData?: Record<string, unknown>;
  config?: { model_type?: string; architectures?: string[]; max_position_embeddings?: number; quantization_config?: Record<string, unknown> };
  baseModels?: { relation: string; models: { id: string; lineage?: { verdict: Verdict; why: string } }[] };
  childrenModelCount?: Counts;
  siblings?: { rfilename: string }[] | null;
}

export interface Entry {
  type: 'file' | 'directory';
  path: string;
  size: number;
  oid: string;
  lfs?: { oid: string; size: number };
  xetHash?: string;
  lastCommit?: { id: string; title: string; date: string } | null;
}

export interface Commit {
  id: string;
  title: string;
  message: string;
  date: string;
  authors: { user: string }[];
}

export interface References {
  branches: { name: string; targetCommit: string }[];
  tags: { name: string; targetCommit: string }[];
}

export interface Page<T> {
  items: T[];
  next: string | null; // where the next page is asked for
  total: number | null; // of all pages, where it is told
}

// The address of the next page in a Link header, on this server.
export function nextOf(link: string | null): string | null {
  const found = /<([^>]+)>;\s*rel="next"/.exec(link ?? '');
  if (!found) return null;
  const url = new URL(found[1]!, 'http://here');
  return url.pathname.startsWith('/api/') ? url.pathname + url.search : null;
}

async function askPage<T>(path: string, signal?: AbortSignal): Promise<Page<T>> {
  const response = await ask(path, { signal });
  const items: unknown = await response.json().catch(() => null);
  if (!Array.isArray(items)) throw new ApiError('refused', `${path} answered something that is no list: does this Glassbox have a hub?`);
  const total = Number(response.headers.get('X-Total-Count') ?? NaN);
  return { items: items as T[], next: nextOf(response.headers.get('Link')), total: Number.isFinite(total) ? total : null };
}

async function askOne<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer: unknown = await (await ask(path, { signal })).json().catch(() => null);
  if (!answer || typeof answer !== 'object') throw new ApiError('refused', `${path} answered something that is no JSON: does this Glassbox have a hub?`);
  return answer as T;
}

export const kSorts = { trending: 'trendingScore', likes: 'likes', downloads: 'downloads', changed: 'lastModified' } as const;
export type Sort = keyof typeof kSorts;

export interface Search {
  kind: Kind;
  owner: string | null;
  words: string;
  tags: string[];
  sort: Sort;
  cursor: string | null;
}

const kListFields = ['author', 'private', 'gated', 'likes', 'downloads', 'tags', 'pipeline_tag', 'library_name', 'lastModified', 'safetensors'];
const kPage = 30;

export function searchPath({ kind, owner, words, tags, sort, cursor }: Search): string {
  const query = new URLSearchParams();
  for (const word of words.split(/\s+/).filter(Boolean)) query.append('search', word);
  for (const tag of tags) query.append('filter', tag);
  if (owner) query.set('author', owner);
  query.set('sort', kSorts[sort]);
  query.set('limit', String(kPage));
  for (const field of kListFields) query.append('expand', field);
  if (cursor) query.set('cursor', cursor);
  return `/api/${kind}s?${query}`;
}

export const cursorOf = (next: string | null) => (next ? new URLSearchParams(next.slice(next.indexOf('?'))).get('cursor') : null);

export const fetchList = (search: Search, signal?: AbortSignal) => askPage<Listed>(searchPath(search), signal);

const kFields = ['author', 'private', 'gated', 'likes', 'downloads', 'tags', 'pipeline_tag', 'library_name', 'lastModified', 'createdAt', 'safetensors', 'sha', 'usedStorage', 'openness', 'cardData', 'config', 'baseModels', 'childrenModelCount', 'siblings'];

export const fetchRepository = (repository: RepositoryName, signal?: AbortSignal) =>
  askOne<Repository>(`${apiHref(repository)}?${new URLSearchParams(kFields.map((field) => ['expand', field]))}`, signal);

export const fetchReferences = (repository: RepositoryName, signal?: AbortSignal) => askOne<References>(`${apiHref(repository)}/refs`, signal);

export const treePath = (repository: RepositoryName, revision: string, folder: string) =>
  `${apiHref(repository)}/tree/${encodeURIComponent(revision)}${folder ? `/${folder.split('/').map(encodeURIComponent).join('/')}` : ''}?expand=true`;
export const fetchEntries = (path: string, signal?: AbortSignal) => askPage<Entry>(path, signal);

export async function fetchEntry(repository: RepositoryName, revision: string, path: string, signal?: AbortSignal): Promise<Entry> {
  const response = await ask(`${apiHref(repository)}/paths-info/${encodeURIComponent(revision)}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ paths: [path], expand: true }),
    signal,
  });
  const [found] = (await response.json()) as Entry[];
  if (!found) throw new ApiError('refused', `There is no file ${path} at ${revision}.`, 'EntryNotFound', 404);
  return found;
}

export const commitsPath = (repository: RepositoryName, revision: string) => `${apiHref(repository)}/commits/${encodeURIComponent(revision)}?limit=50`;
export const fetchCommits = (path: string, signal?: AbortSignal) => askPage<Commit>(path, signal);

export interface Liking {
  liked: boolean; // by whoever asks
  likes: number;
  mayLike: boolean; // strangers may not, nor who shows a token to read with
}
export const fetchLiking = (repository: RepositoryName, signal?: AbortSignal) => askOne<Liking>(`${apiHref(repository)}/like`, signal);

export interface Liker {
  user: string;
}
export const likersPath = (repository: RepositoryName) => `${apiHref(repository)}/likers`;
export const fetchLikers = (path: string, signal?: AbortSignal) => askPage<Liker>(path, signal);

export const fetchVariants = (repository: RepositoryName, signal?: AbortSignal) => askOne<VariantTree>(`${apiHref(repository)}/variants`, signal);

export const fetchRace = (weeks: number, most: number, signal?: AbortSignal) => askOne<Race>(`/api/race?weeks=${weeks}&limit=${most}`, signal);

// Every model in numbers, as a file.
export const exportHref = (format: 'csv' | 'jsonl') => `/api/popularity?format=${format}`;
export const fetchFile = async (href: string) => (await ask(href)).blob();

// Idempotent: liking what one likes changes nothing.
export async function setLike(repository: RepositoryName, like: boolean): Promise<void> {
  await ask(`${apiHref(repository)}/like`, { method: like ? 'POST' : 'DELETE' });
}

// Bytes [begin, end) of a file, or fewer where it ends before. Who answers a range with the whole file is read until `end`.
export async function fetchBytes(href: string, begin: number, end: number, signal?: AbortSignal, tell?: (part: number) => void): Promise<Uint8Array> {
  const response = await ask(href, { headers: { Range: `bytes=${begin}-${end - 1}` }, signal });
  const skipped = response.status === 206 ? 0 : begin;
  const most = skipped + end - begin;
  const reader = response.body?.getReader();
  const pieces: Uint8Array[] = [];
  let here = 0;
  try {
    while (reader && here < most) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      here += value.length;
      tell?.(Math.min(1, here / most));
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError('cut', 'The connection was lost in the middle of the file.');
  } finally {
    reader?.cancel().catch(() => {});
  }
  const bytes = new Uint8Array(here);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes.subarray(skipped, most);
}

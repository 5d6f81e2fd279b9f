// Addresses of the hub: what each shows, and how each is written. They are the Hugging Face Hub's.

export type Kind = 'model' | 'dataset';

export interface RepositoryName {
  kind: Kind;
  owner: string;
  name: string;
}

export type View =
  | { view: 'list'; kind: Kind; owner: null }
  | { view: 'list'; kind: null; owner: string } // what belongs to one
  | { view: 'card' | 'tree' | 'blob' | 'commits'; repository: RepositoryName; revision: string; path: string }
  | { view: 'race' }
  | { view: 'nothing' };

export const kMain = 'main';
export const kRace = '/race';

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // "100%": no encoding, a name
  }
}

// The view of "/owner/name/tree/main/folder", not yet decoded, as location has it. A revision is one part of it, with its
// slashes encoded, or the three of "refs/pr/1".
export function viewOf(path: string): View {
  let parts = path.split('/').slice(1);
  while (parts.at(-1) === '') parts.pop();
  if (parts.length === 1 && parts[0] === 'models') return { view: 'list', kind: 'model', owner: null };
  if (parts.length === 1 && parts[0] === 'datasets') return { view: 'list', kind: 'dataset', owner: null };
  if (parts.length === 1 && parts[0] === kRace.slice(1)) return { view: 'race' };
  const kind: Kind = parts[0] === 'datasets' ? 'dataset' : 'model';
  if (kind === 'dataset') parts.shift();
  parts = parts.map(decoded);
  const [owner, name, what, ...rest] = parts;
  if (!owner || owner === 'models') return { view: 'nothing' };
  if (!name) return kind === 'dataset' ? { view: 'nothing' } : { view: 'list', kind: null, owner };
  const repository = { kind, owner, name };
  if (what === undefined) return { view: 'card', repository, revision: kMain, path: '' };
  if (what !== 'tree' && what !== 'blob' && what !== 'commits') return { view: 'nothing' };
  const revision = rest[0] === 'refs' ? rest.splice(0, 3).join('/') : (rest.shift() ?? kMain);
  if (what === 'blob' && !rest.length) return { view: 'nothing' };
  return { view: what, repository, revision, path: rest.join('/') };
}

const encodedPath = (path: string) => path.split('/').map(encodeURIComponent).join('/');
const below = (start: string, path: string) => (path ? `${start}/${encodedPath(path)}` : start);

export const kListOf: Record<Kind, string> = { model: '/models', dataset: '/datasets' };
export const ownerHref = (owner: string) => `/${encodeURIComponent(owner)}`;
export const idOf = ({ owner, name }: RepositoryName) => `${owner}/${name}`;
export const cardHref = (repository: RepositoryName) => (repository.kind === 'dataset' ? '/datasets/' : '/') + encodedPath(idOf(repository));
export const viewHref = (view: 'tree' | 'blob' | 'commits', repository: RepositoryName, revision: string, path = '') =>
  below(`${cardHref(repository)}/${view}/${encodeURIComponent(revision)}`, path);

// The bytes of a file, and what git keeps for it (of a large file a note of where it is).
export const bytesHref = (repository: RepositoryName, revision: string, path: string) =>
  below(`${cardHref(repository)}/resolve/${encodeURIComponent(revision)}`, path);
export const rawHref = (repository: RepositoryName, revision: string, path: string) =>
  below(`${cardHref(repository)}/raw/${encodeURIComponent(revision)}`, path);
export const apiHref = (repository: RepositoryName) => `/api/${repository.kind}s/${encodedPath(idOf(repository))}`;

// "owner/name" of a card or a tag, if it is one.
export function repositoryNamed(id: string, kind: Kind = 'model'): RepositoryName | null {
  const found = /^([\w.-]{1,96})\/([\w.-]{1,96})$/.exec(id);
  return found && ![found[1], found[2]].some((part) => /^[-.]|[-.]$|\.\./.test(part!)) ? { kind, owner: found[1]!, name: found[2]! } : null;
}

import { describe, expect, it } from 'vitest';
import { apiHref, bytesHref, cardHref, repositoryNamed, viewHref, viewOf, type RepositoryName } from './route';

const prism: RepositoryName = { kind: 'model', owner: 'glassbox', name: 'prism' };
const fables: RepositoryName = { kind: 'dataset', owner: 'lab', name: 'fables' };

describe('addresses of the hub', () => {
  it('are lists, owners and repositories', () => {
    expect(viewOf('/models')).toEqual({ view: 'list', kind: 'model', owner: null });
    expect(viewOf('/datasets/')).toEqual({ view: 'list', kind: 'dataset', owner: null });
    expect(viewOf('/race')).toEqual({ view: 'race' });
    expect(viewOf('/race/car')).toMatchObject({ view: 'card', repository: { owner: 'race', name: 'car' } });
    expect(viewOf('/lab')).toEqual({ view: 'list', kind: null, owner: 'lab' });
    expect(viewOf('/glassbox/prism')).toEqual({ view: 'card', repository: prism, revision: 'main', path: '' });
    expect(viewOf('/datasets/lab/fables/')).toEqual({ view: 'card', repository: fables, revision: 'main', path: '' });
  });

  it('are views of a revision, which may have slashes', () => {
    expect(viewOf('/glassbox/prism/tree/main')).toEqual({ view: 'tree', repository: prism, revision: 'main', path: '' });
    expect(viewOf('/glassbox/prism/tree/feat%2Fx/a/b')).toEqual({ view: 'tree', repository: prism, revision: 'feat/x', path: 'a/b' });
    expect(viewOf('/glassbox/prism/blob/refs/pr/7/a/b.txt')).toEqual({ view: 'blob', repository: prism, revision: 'refs/pr/7', path: 'a/b.txt' });
    expect(viewOf('/glassbox/prism/blob/refs%2Fpr%2F7/a')).toEqual({ view: 'blob', repository: prism, revision: 'refs/pr/7', path: 'a' });
    expect(viewOf('/datasets/lab/fables/commits/v1.0')).toEqual({ view: 'commits', repository: fables, revision: 'v1.0', path: '' });
    expect(viewOf('/glassbox/prism/tree')).toMatchObject({ view: 'tree', revision: 'main' });
  });

  it('are nothing where they are no view', () => {
    for (const path of ['/', '/models/x', '/models/x/y', '/datasets/lab', '/glassbox/prism/resolve/main/x', '/glassbox/prism/blob/main', '/glassbox/prism/settings']) {
      expect(viewOf(path)).toEqual({ view: 'nothing' });
    }
  });

  it('keep what is no encoding', () => {
    expect(viewOf('/glassbox/prism/blob/main/100%.txt')).toMatchObject({ path: '100%.txt' });
  });

  it('come back as they were written', () => {
    for (const path of ['a', 'a b/c?d#e', '100%/ä+&"', '日本/x']) {
      for (const revision of ['main', 'feat/x', 'refs/pr/1', 'v1.0 β']) {
        for (const repository of [prism, fables]) {
          for (const view of ['tree', 'blob'] as const) expect(viewOf(viewHref(view, repository, revision, path))).toEqual({ view, repository, revision, path });
        }
      }
    }
  });

  it('name the API and the bytes', () => {
    expect(apiHref(fables)).toBe('/api/datasets/lab/fables');
    expect(cardHref(fables)).toBe('/datasets/lab/fables');
    expect(bytesHref(prism, 'refs/pr/1', 'a b/c#.txt')).toBe('/glassbox/prism/resolve/refs%2Fpr%2F1/a%20b/c%23.txt');
  });

  it('take names from cards only where they are names', () => {
    expect(repositoryNamed('tiny-lab/seed_1.5')).toEqual({ kind: 'model', owner: 'tiny-lab', name: 'seed_1.5' });
    for (const id of ['', 'one', 'a/b/c', '../x', 'a/..', 'a/-b', 'javascript:x/y', 'a/b?c', 'https://a/b', 'a /b']) expect(repositoryNamed(id)).toBeNull();
  });
});

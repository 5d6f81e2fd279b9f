// A card: the Markdown of README.md, which a stranger wrote. What it shows is of its own repository alone: pictures come
// from its files, links lead to its files or, marked so, elsewhere. HTML in it is left out; the words between stay.
import { firstHeadingOf, kOutside, markdownReader, sanitise } from '../text/markdown';
import { bytesHref, viewHref, type RepositoryName } from './route';

// The text without the facts in front of it ("---" on a line, YAML, "---"), which the page shows beside it.
export function withoutFacts(readme: string): string {
  const found = /^\uFEFF?---[ \t]*\r?\n(?:[\s\S]*?\r?\n)?---[ \t]*(?:\r?\n|$)/.exec(readme);
  return found ? readme.slice(found[0].length) : readme;
}

export type Target = { to: 'outside'; href: string } | { to: 'file'; path: string; anchor: string } | { to: 'anchor'; anchor: string } | null;

// Where a link or a picture of the file `from` leads. Null for any scheme but http and https, and for a path out of the
// repository. A path that begins with a slash begins at the repository's root.
export function targetOf(href: string, from: string): Target {
  const text = href.trim();
  if (/[\u0000-\u001f\u007f\\]/.test(text)) return null;
  if (text.startsWith('#')) return { to: 'anchor', anchor: decoded(text.slice(1)) };
  if (text.startsWith('//')) return null;
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) {
    if (!/^https?:\/\//i.test(text)) return null;
    try {
      const url = new URL(text);
      return url.username || url.password ? null : { to: 'outside', href: url.href };
    } catch {
      return null;
    }
  }
  const [, before, anchor] = /^([^?#]*)(?:\?[^#]*)?(?:#(.*))?$/.exec(text) ?? [];
  if (!before) return null;
  const parts = before.startsWith('/') ? [] : from.split('/').slice(0, -1);
  for (const encoded of before.split('/')) {
    const part = decoded(encoded);
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (!parts.length) return null;
      parts.pop();
    } else if (/[/\\\u0000-\u001f]/.test(part)) return null;
    else parts.push(part);
  }
  return { to: 'file', path: parts.join('/'), anchor: decoded(anchor ?? '') };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// "Training data (2026)" -> "training-data-2026", as links within cards are written.
export const slug = (heading: string) => heading.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
const kAnchor = 'card-'; // before every id that comes from a card: none is the page's own

const md = markdownReader({ html: true, breaks: false });
const escape = md.utils.escapeHtml;

interface Place {
  repository: RepositoryName;
  revision: string;
  path: string; // of the file that is read
}
interface Env extends Place {
  firstHeading?: number;
  isLink?: boolean; // the link that is open is one
  slugs: Map<string, number>;
}

// Words of HTML: no tag, no comment, nothing of scripts and styles.
function wordsOf(html: string): string {
  return html
    .replaceAll(/<!--[\s\S]*?(?:-->|$)/g, '')
    .replaceAll(/<(script|style|template|iframe|object|noscript)\b[\s\S]*?(?:<\/\1\s*>|$)/gi, '')
    .replaceAll(/<[/!?a-z](?:"[^"]*"|'[^']*'|[^"'>])*(?:>|$)/gi, '')
    .replaceAll(/&(amp|lt|gt|quot|nbsp|#39);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ', '#39': "'" })[name]!)
    .trim();
}
md.renderer.rules.html_inline = () => '';
md.renderer.rules.html_block = (tokens, i) => {
  const words = wordsOf(tokens[i]!.content);
  return words ? `<p>${escape(words)}</p>` : '';
};

md.renderer.rules.link_open = (tokens, i, _options, env: Env) => {
  const target = targetOf(String(tokens[i]!.attrGet('href') ?? ''), env.path);
  env.isLink = target !== null;
  if (!target) return '';
  if (target.to === 'anchor') return `<a href="#${escape(kAnchor + target.anchor)}">`;
  if (target.to === 'file') return `<a href="${escape(fileHref(env, target.path, target.anchor))}">`;
  return `<a href="${escape(target.href)}" rel="${kOutside.rel}" target="${kOutside.target}">`;
};
md.renderer.rules.link_close = (_tokens, _i, _options, env: Env) => (env.isLink ? '</a>' : '');

const fileHref = (env: Place, path: string, anchor: string) =>
  (path ? viewHref('blob', env.repository, env.revision, path) : viewHref('tree', env.repository, env.revision)) + (anchor ? `#${kAnchor}${anchor}` : '');

// A picture of the repository, fetched by showPictures(); one from elsewhere is a link to it.
md.renderer.rules.image = (tokens, i, _options, env: Env) => {
  const token = tokens[i]!;
  const target = targetOf(String(token.attrGet('src') ?? ''), env.path);
  const name = escape(token.content);
  if (target?.to === 'file' && target.path) return `<img alt="${name}" ${kPicture}="${escape(target.path)}" class="picture">`;
  const words = name || 'picture';
  if (target?.to !== 'outside' || env.isLink) return words;
  return `<a href="${escape(target.href)}" rel="${kOutside.rel}" target="${kOutside.target}">${words}</a>`;
};
const kPicture = 'data-picture';

md.renderer.rules.heading_open = (tokens, i, _options, env: Env) => {
  const base = slug(tokens[i + 1]?.children?.map((one) => (one.type === 'text' || one.type === 'code_inline' ? one.content : '')).join('') ?? '');
  const count = env.slugs.get(base) ?? 0;
  env.slugs.set(base, count + 1);
  return `<${tokens[i]!.tag} id="${escape(kAnchor + base + (count ? `-${count}` : ''))}">`;
};
// markdown-it itself takes a link for text where its scheme is none of its own; ours decides.
md.validateLink = () => true;

// HTML of a card, safe by construction; what shows it sanitises it as well.
export function cardHtml(text: string, place: Place): string {
  return md.render(text, { ...place, firstHeading: firstHeadingOf(text), slugs: new Map() } satisfies Env);
}

export const cardReader = (place: Place) => ({
  render: (text: string) => [sanitise(cardHtml(text, place), { tags: ['img'], attributes: ['alt', 'id', kPicture] })],
});

const kTypes: Record<string, string> = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', avif: 'image/avif', svg: 'image/svg+xml' };
export const pictureType = (path: string) => kTypes[path.slice(path.lastIndexOf('.') + 1).toLowerCase()] ?? null;
const kMostPicture = 20e6;

// Fetches the pictures under `root` from the repository. `settled`: each is there with its size, or its name instead.
export function showPictures(root: Element, { repository, revision }: Place, fetchFile: (href: string) => Promise<Response>): { settled: Promise<unknown>; stop: () => void } {
  const shown: string[] = [];
  const all: Promise<void>[] = [];
  let gone = false;
  for (const image of root.querySelectorAll<HTMLImageElement>(`img[${kPicture}]`)) {
    const path = image.getAttribute(kPicture)!;
    const missing = () => {
      if (!gone) image.replaceWith(`[${image.alt || path}]`);
    };
    const type = pictureType(path);
    if (!type) {
      missing();
      continue;
    }
    const one = fetchFile(bytesHref(repository, revision, path))
      .then(async (response) => {
        if (Number(response.headers.get('Content-Length') ?? 0) > kMostPicture) throw new Error('too large');
        const url = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type }));
        shown.push(url);
        if (gone) return URL.revokeObjectURL(url);
        image.src = url;
        await image.decode();
      })
      .catch(missing);
    all.push(one);
  }
  const stop = () => {
    gone = true;
    shown.forEach((url) => URL.revokeObjectURL(url));
  };
  return { settled: Promise.all(all), stop };
}

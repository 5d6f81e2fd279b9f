// Markdown as models and strangers write it, to HTML that is safe to show. What they wrote is never trusted: no HTML of
// its own, no pictures from elsewhere, links that open without a referrer.
import DOMPurify from 'dompurify';
import MarkdownIt from 'markdown-it';
import { addMathematics } from './mathematics';

export const kCopy = 'data-copy'; // on the button of a code block: copies the block beside it
export const kOutside = { rel: 'noopener noreferrer nofollow', target: '_blank' }; // of links to other hosts

// A reader of Markdown with what every text here has: code with a button that copies it, tables that scroll,
// mathematics, headings under the page's own.
export function markdownReader(options: { html: boolean; breaks: boolean }): MarkdownIt {
  const md = new MarkdownIt({ linkify: true, ...options });
  const escape = md.utils.escapeHtml;
  addMathematics(md);
  md.linkify.set({ fuzzyEmail: false, fuzzyIP: false });
  md.renderer.rules.fence = (tokens, i) => {
    const language = (tokens[i]!.info.trim().split(/\s+/)[0] ?? '').toLowerCase();
    const code = escape(tokens[i]!.content);
    return (
      `<div class="code"><div class="code-head"><span>${escape(language) || 'text'}</span>` +
      `<button type="button" ${kCopy}="">Copy</button></div>` +
      `<pre tabindex="0"><code data-language="${escape(language)}">${code}</code></pre></div>`
    );
  };
  md.renderer.rules.code_block = (tokens, i) => `<div class="code"><pre tabindex="0"><code>${escape(tokens[i]!.content)}</code></pre></div>`;
  md.renderer.rules.table_open = () => '<div class="table" tabindex="0"><table>';
  md.renderer.rules.table_close = () => '</table></div>';
  // A text's first heading is an h3, whatever it was written as.
  md.core.ruler.push('lower_headings', (state) => {
    const first = (state.env as { firstHeading?: number }).firstHeading ?? 1;
    for (const token of state.tokens) {
      if (token.type !== 'heading_open' && token.type !== 'heading_close') continue;
      token.tag = `h${Math.min(6, Math.max(3, Number(token.tag[1]) - first + 3))}`;
    }
  });
  return md;
}

// The level of the first heading of a text.
export const firstHeadingOf = (text: string) => text.match(/^#{1,6}(?=\s)/m)?.[0].length;

const md = markdownReader({ html: false, breaks: true });
const escape = md.utils.escapeHtml;

md.renderer.rules.link_open = (tokens, i, options, _env, self) => {
  for (const [name, value] of Object.entries(kOutside)) tokens[i]!.attrSet(name, value);
  return self.renderToken(tokens, i, options);
};
md.renderer.rules.image = (tokens, i) => {
  const address = escape(String(tokens[i]!.attrGet('src') ?? ''));
  const name = escape(tokens[i]!.content || 'picture');
  return `<a href="${address}" rel="${kOutside.rel}" target="${kOutside.target}">${name}</a>`;
};

const kTags = 'a b blockquote br button code del div em h3 h4 h5 h6 hr i li ol p pre s span strong sub sup table tbody td th thead tr ul';
const kAttributes = ['href', 'rel', 'target', 'class', 'type', 'start', 'tabindex', 'style', 'data-copy', 'data-language', 'data-tex', 'data-display'];

// `more` names tags and attributes that the text's reader writes besides; none of them an address.
export function sanitise(html: string, more: { tags: string[]; attributes: string[] } = { tags: [], attributes: [] }): string {
  const attributes = [...kAttributes, ...more.attributes];
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: [...kTags.split(' '), ...more.tags],
    ALLOWED_ATTR: attributes,
    ADD_URI_SAFE_ATTR: attributes.filter((name) => name !== 'href'), // the rest are no addresses, and not held to be
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#|\/)/i,
  });
}

// The lines at which top-level blocks of `text` start.
function blockStarts(text: string): number[] {
  const starts: number[] = [];
  for (const token of md.parse(text, {})) {
    if (token.level === 0 && token.nesting >= 0 && token.map) starts.push(token.map[0]);
  }
  return starts;
}

// Renders text that grows: a block that is over is parsed and sanitised once, however often the text is rendered.
// All but the last two blocks are held to be over (a list or a table may still take in what follows it).
export class GrowingMarkdown {
  #settled = ''; // the source of the blocks that are over
  #blocks: string[] = []; // and their HTML
  #tail = new Map<string, string>(); // HTML by source, of the others

  render(text: string): string[] {
    if (!text.startsWith(this.#settled)) {
      this.#settled = '';
      this.#blocks = [];
    }
    const rest = text.slice(this.#settled.length);
    const lines = rest.split('\n');
    const starts = blockStarts(rest);
    const sources = starts.map((start, i) => lines.slice(i ? start : 0, starts[i + 1] ?? lines.length).join('\n') + (i + 1 < starts.length ? '\n' : ''));
    const tail = new Map<string, string>();
    const firstHeading = firstHeadingOf(text);
    const html = sources.map((source) => {
      const rendered = this.#tail.get(source) ?? sanitise(md.render(source, { firstHeading }));
      tail.set(source, rendered);
      return rendered;
    });
    for (let i = 0; i + 2 < sources.length; i++) {
      this.#settled += sources[i]!;
      this.#blocks.push(html[i]!);
    }
    this.#tail = tail;
    return [...this.#blocks, ...html.slice(Math.max(0, sources.length - 2))];
  }
}

// Mathematics in Markdown: $...$ and \(...\) in a line, $$...$$ and \[...\] on lines of their own. What is found becomes
// a placeholder with its TeX in data-tex; KaTeX is loaded when the first is shown and draws it there.
import type MarkdownIt from 'markdown-it';

type StateInline = Parameters<Parameters<MarkdownIt['inline']['ruler']['push']>[1]>[0];
type StateBlock = Parameters<Parameters<MarkdownIt['block']['ruler']['push']>[1]>[0];

const isSpace = (text: string | undefined) => text === undefined || /\s/.test(text);

function inlineMathematics(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  let open: string, close: string;
  if (src.startsWith('\\(', pos)) [open, close] = ['\\(', '\\)'];
  else if (src.startsWith('\\[', pos)) [open, close] = ['\\[', '\\]'];
  else if (src.startsWith('$$', pos)) [open, close] = ['$$', '$$'];
  else if (src[pos] === '$') [open, close] = ['$', '$'];
  else return false;

  const start = pos + open.length;
  if (close === '$' && isSpace(src[start])) return false; // "$ 5" is money
  let end = start;
  for (;;) {
    end = src.indexOf(close, end);
    if (end < 0 || end >= state.posMax) return false;
    let backslashes = 0;
    while (src[end - 1 - backslashes] === '\\') backslashes++;
    if (close[0] !== '$' || backslashes % 2 === 0) break;
    end++;
  }
  if (end === start) return false;
  if (close === '$' && (isSpace(src[end - 1]) || /\d/.test(src[end + 1] ?? ''))) return false; // "$5 and $6"
  if (!silent) {
    const token = state.push('mathematics', '', 0);
    token.content = src.slice(start, end).trim();
    token.meta = { display: open === '$$' || open === '\\[' };
  }
  state.pos = end + close.length;
  return true;
}

function blockMathematics(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  const first = state.src.slice(state.bMarks[startLine]! + state.tShift[startLine]!, state.eMarks[startLine]).trim();
  const [open, close] = first.startsWith('$$') ? ['$$', '$$'] : first.startsWith('\\[') ? ['\\[', '\\]'] : ['', ''];
  if (!open) return false;
  let line = startLine;
  let body = first.slice(2);
  while (!body.trimEnd().endsWith(close!)) {
    if (++line >= endLine) return false;
    body += '\n' + state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line]);
  }
  const tex = body.trimEnd().slice(0, -2).trim();
  if (!tex || tex.includes(close!)) return false;
  if (silent) return true;
  const token = state.push('mathematics', '', 0);
  token.block = true;
  token.content = tex;
  token.meta = { display: true };
  token.map = [startLine, line + 1];
  state.line = line + 1;
  return true;
}

export function addMathematics(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'mathematics', inlineMathematics);
  md.block.ruler.before('fence', 'mathematics', blockMathematics, { alt: ['paragraph', 'blockquote', 'list'] });
  md.renderer.rules.mathematics = (tokens, i) => {
    const { content, meta } = tokens[i]!;
    const tex = md.utils.escapeHtml(content);
    const tag = tokens[i]!.block ? 'div' : 'span';
    return `<${tag} class="${meta.display ? 'math display' : 'math'}" data-tex="${tex}"${meta.display ? ' data-display="1"' : ''}>${tex}</${tag}>`;
  };
}

let loading: Promise<typeof import('katex').default> | null = null;

// Draws the placeholders under `root`. Until KaTeX is here, and where it cannot read the TeX, they show the TeX itself.
export async function drawMathematics(root: Element): Promise<void> {
  if (!root.querySelector('.math:not([data-drawn])')) return;
  loading ??= import('./katex').then((module) => module.default);
  const katex = await loading;
  for (const place of root.querySelectorAll<HTMLElement>('.math:not([data-drawn])')) {
    place.dataset.drawn = '1';
    katex.render(place.dataset.tex ?? '', place, {
      displayMode: place.dataset.display === '1',
      throwOnError: false,
      errorColor: 'currentColor',
      trust: false,
      maxSize: 20,
      maxExpand: 200,
    });
  }
}

import MarkdownIt from 'markdown-it';
import { describe, expect, it } from 'vitest';
import { addMathematics } from './mathematics';

const md = new MarkdownIt({ html: false, breaks: true });
addMathematics(md);
const formulas = (text: string) =>
  [...md.render(text).matchAll(/<(span|div) class="(math[^"]*)" data-tex="([^"]*)"/g)].map(([, tag, kind, tex]) => `${tag} ${kind}: ${tex}`);

describe('mathematics in Markdown', () => {
  it('is found in a line', () => {
    expect(formulas('so $a^2+b^2=c^2$ and \\(x_1\\), \\[y\\] or $$z$$ here')).toEqual([
      'span math: a^2+b^2=c^2', 'span math: x_1', 'span math display: y', 'span math display: z',
    ]);
  });

  it('is found on lines of its own, after a paragraph too', () => {
    expect(formulas('$$\n\\frac{1}{2}\n$$')).toEqual(['div math display: \\frac{1}{2}']);
    expect(formulas('text:\n\\[\nx\n+ y\n\\]\nmore')).toEqual(['div math display: x\n+ y']);
    expect(formulas('$$a$$')).toEqual(['div math display: a']);
  });

  it('is not money, not code, and not half written', () => {
    for (const text of ['$5 and $6', 'it costs $ 5 $', '`$x$`', '```\n$$x$$\n```', '$$\nx', '\\(x', 'a $x', '$$$$', 'US$100, A$200']) {
      expect(formulas(text)).toEqual([]);
    }
  });

  it('escapes what it keeps', () => {
    expect(md.render('$a<b"c$')).toContain('data-tex="a&lt;b&quot;c"');
  });
});

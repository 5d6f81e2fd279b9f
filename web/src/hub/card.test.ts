import { describe, expect, it } from 'vitest';
import { cardHtml, pictureType, slug, targetOf, withoutFacts } from './card';

const place = { repository: { kind: 'model' as const, owner: 'lab', name: 'm' }, revision: 'main', path: 'README.md' };
const html = (text: string, path = 'README.md') => cardHtml(text, { ...place, path });
const links = (text: string, path?: string) => [...html(text, path).matchAll(/<a href="([^"]*)"/g)].map((found) => found[1]);

describe('the text of a card', () => {
  it('is what comes after its facts', () => {
    expect(withoutFacts('---\nlicense: mit\n---\n# Hi\n')).toBe('# Hi\n');
    expect(withoutFacts('\uFEFF---\r\na: b\r\n---\r\n# Hi')).toBe('# Hi');
    expect(withoutFacts('---\n---\nx')).toBe('x');
    expect(withoutFacts('---\na: b\n---')).toBe('');
    for (const text of ['# Hi', '--- \nnever ends', 'a\n---\nb\n---\n', '----\na\n----\n']) expect(withoutFacts(text)).toBe(text);
  });
});

describe('where a link leads', () => {
  it('is elsewhere by http alone', () => {
    expect(targetOf('https://example.org/a?b#c', 'README.md')).toEqual({ to: 'outside', href: 'https://example.org/a?b#c' });
    for (const href of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:alert(1)', 'java\nscript:x', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', 'blob:x', 'mailto:a@b', '//evil.example/x', 'https:evil', 'https://', 'https://user:secret@host/', 'http\\://x', '\\\\evil']) {
      expect(targetOf(href, 'README.md')).toBeNull();
    }
  });

  it('is within the repository, never above it', () => {
    expect(targetOf('docs/a.md#part', 'README.md')).toEqual({ to: 'file', path: 'docs/a.md', anchor: 'part' });
    expect(targetOf('../b.md', 'docs/a.md')).toEqual({ to: 'file', path: 'b.md', anchor: '' });
    expect(targetOf('./x/../y?raw=1', 'docs/a.md')).toEqual({ to: 'file', path: 'docs/y', anchor: '' });
    expect(targetOf('/root.md', 'docs/a.md')).toEqual({ to: 'file', path: 'root.md', anchor: '' });
    expect(targetOf('a%20b.md', 'README.md')).toEqual({ to: 'file', path: 'a b.md', anchor: '' });
    for (const href of ['..', '../x', 'a/../../x', '../../../api/whoami-v2', '/../x', '%2e%2e/x', 'a/%2e%2e/%2e%2e/x', 'a%2fb', 'a%5cb', 'a%00b', '', '?x']) expect(targetOf(href, 'README.md')).toBeNull();
  });
});

describe('the HTML of a card', () => {
  it('has no tag of a stranger', () => {
    const text = [
      '# T <script>window.x = 1</script>', '<script>window.x = 2</script>', '<img src=x onerror="x()">', 'a <b onclick="x()">b</b> <img src=x onerror=x()>',
      '<svg/onload=x()>', '<a href="javascript:x()">a</a>', '<iframe src="https://evil.example"></iframe>', '<style>* { display: none }</style>', '<!-- <script>x()</script> -->',
      '<div>\nWords stay\n</div>', '<details><summary>More</summary>', '<div onclick="x(\'>\')">quoted</div>', '<ScRiPt >x()</sCrIpT >', '<scr<script>ipt>x()</script>', '&lt;script&gt;x()&lt;/script&gt;',
      '<div>&lt;img src=x onerror=x()&gt;</div>', '<div', '<img src=x onerror=x() ',
    ].join('\n\n');
    const shown = html(text);
    expect(shown.match(/<(?!\/?(?:h3|p|div class="|div>|pre|code)\b)[a-z]*/gi) ?? []).toEqual([]);
    expect(shown).not.toMatch(/<[^>]*\son\w+\s*=/i);
    expect(shown).not.toContain('<script');
    expect(shown).toContain('Words stay');
    expect(shown).not.toContain('display: none');
    expect(shown).toContain('<p>&lt;img src=x onerror=x()&gt;</p>'); // words, and no tag
  });

  it('links to files of the repository, and elsewhere without a referrer', () => {
    expect(links('[a](docs/a.md) [b](../b.md)', 'docs/x.md')).toEqual(['/lab/m/blob/main/docs/docs/a.md', '/lab/m/blob/main/b.md']);
    expect(links('[a](/) [b](#limits) [c](docs/a.md#b)')).toEqual(['/lab/m/tree/main', '#card-limits', '/lab/m/blob/main/docs/a.md#card-b']);
    expect(html('[a](https://example.org)')).toBe('<p><a href="https://example.org/" rel="noopener noreferrer nofollow" target="_blank">a</a></p>\n');
    expect(html('[a](javascript:x) [b](../../x) [c][r]\n\n[r]: data:text/html,x')).toBe('<p>a b c</p>\n');
    expect(links('<javascript:x> <https://example.org/auto> www.example.org')).toEqual(['https://example.org/auto', 'http://www.example.org/']);
    expect(links('[a](docs/"onmouseover="x)')).toEqual(['/lab/m/blob/main/docs/%22onmouseover%3D%22x']);
  });

  it('has pictures of the repository alone, and they have no address', () => {
    expect(html('![the loss](images/loss.png "t")')).toBe('<p><img alt="the loss" data-picture="images/loss.png" class="picture"></p>\n');
    expect(html('![up](../../other/x.png) ![d](data:image/png;base64,AA) ![j](javascript:x)')).toBe('<p>up d j</p>\n');
    expect(html('![track](https://evil.example/t.png)')).not.toContain('<img');
    expect(html('![a" onerror="x](b.png)')).toContain('alt="a&quot; onerror=&quot;x"');
    expect(html('[![badge](https://evil.example/b.svg)](https://example.org)')).toBe('<p><a href="https://example.org/" rel="noopener noreferrer nofollow" target="_blank">badge</a></p>\n');
    expect([pictureType('a/B.PNG'), pictureType('x.svg'), pictureType('x.html'), pictureType('png')]).toEqual(['image/png', 'image/svg+xml', null, 'image/png']);
  });

  it('has headings that links find, under the page\'s own', () => {
    expect(html('# One\n\n## Two *b*\n\n## Two b')).toBe('<h3 id="card-one">One</h3>\n<h4 id="card-two-b">Two <em>b</em></h4>\n<h4 id="card-two-b-1">Two b</h4>\n');
    expect(slug('Training data (2026): «ünï»!')).toBe('training-data-2026-ünï');
  });

  it('keeps code, tables and mathematics', () => {
    const shown = html('```python\nx = "<b>"\n```\n\n| a |\n|---|\n| 1 |\n\n$x<1$ and `<script>`');
    expect(shown).toContain('<code data-language="python">x = &quot;&lt;b&gt;&quot;\n</code>');
    expect(shown).toContain('<div class="table" tabindex="0"><table>');
    expect(shown).toContain('data-tex="x&lt;1"');
    expect(shown).toContain('<code>&lt;script&gt;</code>');
  });
});

// The hub's pages as people use them, in real Chromium, with the hub of the mock server. See run.mjs.
import assert from 'node:assert/strict';
import { base, kAway, mock, noFindings, scrollsSideways, visit } from './visit.mjs';

const needsMock = true;
const glass = (page) => page.getByRole('complementary', { name: 'The glass' });
const rows = (page) => page.getByRole('list', { name: 'Models' }).getByRole('listitem');
const copied = (page) => page.evaluate(() => navigator.clipboard.readText());

// What a link that is clicked brings, as a file of this name.
async function downloaded(page, link, name) {
  const arriving = page.waitForEvent('download');
  await page.getByRole('link', { name: link }).click();
  const download = await arriving;
  assert.equal(download.suggestedFilename(), name);
  let text = '';
  for await (const part of await download.createReadStream()) text += part;
  return text;
}

async function open(page, path) {
  await page.goto(base + path);
  await page.locator('h1').waitFor();
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"], .waiting'));
}

visit('hub: a place of the rail with a list that is searched, filtered, sorted and paged, all in the address', { needsMock }, async (page) => {
  await page.goto(`${base}/chat`);
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Hub' }).click();
  await rows(page).first().waitFor();
  assert.equal(new URL(page.url()).pathname, '/models');
  assert.equal(await page.title(), 'Models · Glassbox');
  assert.equal(await page.getByRole('link', { name: 'Hub', exact: true }).getAttribute('aria-current'), 'page');
  assert.equal(await rows(page).count(), 30);
  const prism = rows(page).filter({ hasText: 'glassbox/prism' });
  assert.match((await prism.innerText()).replaceAll('\u202f', ' '), /Text generation.*3\.7 M BF16.*apache-2\.0.*changed 2 days ago/s);
  assert.match((await prism.innerText()).replaceAll('\u202f', ' '), /41.*12\.8 k/s);
  await noFindings(page);

  await page.keyboard.press('/');
  await page.keyboard.type('seed-0');
  await page.waitForURL(/search=seed-0/);
  await page.waitForFunction(() => document.querySelectorAll('.rows > li').length === 10);
  await page.getByRole('group', { name: 'Tags' }).getByRole('button', { name: 'odd', exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll('.rows > li').length === 5);
  await page.getByLabel('Sort by').selectOption('Recently changed');
  await page.waitForFunction(() => document.querySelector('.rows h2').innerText.includes('seed-01'));
  assert.deepEqual(Object.fromEntries(new URL(page.url()).searchParams), { search: 'seed-0', tags: 'odd', sort: 'changed' });
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('.rows > li h2').length === 5);
  assert.equal(await page.getByRole('searchbox').inputValue(), 'seed-0');
  await page.goBack();
  await page.goBack();
  await page.waitForFunction(() => document.querySelectorAll('.rows > li h2').length === 10);

  await open(page, '/models');
  const first = await rows(page).first().innerText();
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.waitForURL(/cursor=/);
  await page.waitForFunction((text) => document.querySelector('.rows > li h2') && document.querySelector('.rows > li').innerText !== text, first);
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.rows > li h2').length === 6);
  assert.equal(await page.getByRole('button', { name: 'Next page' }).count(), 0);
  await page.getByRole('button', { name: 'First page' }).click();
  await page.waitForFunction((text) => document.querySelector('.rows > li')?.innerText === text, first);
});

visit('hub: nothing found, no data sets, another owner: each says what to do', { needsMock }, async (page) => {
  await open(page, '/models?search=zzzz&tags=small');
  await page.getByRole('heading', { name: 'None of the models fit “zzzz” with small' }).waitFor();
  await noFindings(page);
  await page.getByRole('button', { name: 'All models' }).click();
  await rows(page).first().waitFor();
  assert.equal(await page.getByRole('searchbox').inputValue(), '');
  await open(page, '/glassbox');
  assert.equal(await page.locator('h1').innerText(), 'glassbox');
  assert.equal(await rows(page).count(), 1);
  await page.getByRole('link', { name: 'Data sets', exact: true }).click();
  await page.getByRole('heading', { name: 'glassbox has no data sets here' }).waitFor();
  const kept = mock.state.hub.repositories.splice(0);
  await open(page, '/datasets');
  await page.getByRole('heading', { name: 'No data sets are here yet' }).waitFor();
  assert.match(await page.locator('main pre').innerText(), /^HF_ENDPOINT=http:\/\/127\.0\.0\.1:\d+ hf upload NAME FOLDER --repo-type dataset$/);
  await noFindings(page);
  mock.state.hub.repositories.push(...kept);
});

visit('hub: a repository shows its card, its facts beside it, and the commands that use it', { needsMock }, async (page) => {
  await open(page, '/models');
  await rows(page).getByRole('link', { name: 'glassbox/prism' }).click();
  const card = page.getByRole('article', { name: 'Card' });
  await card.getByRole('heading', { name: 'Prism' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/glassbox/prism');
  assert.equal(await page.title(), 'glassbox/prism · Glassbox');
  assert.equal((await card.innerText()).includes('license:'), false); // the facts in front of it are not its text
  await card.locator('.katex').first().waitFor();
  await card.locator('table').waitFor();
  const image = card.getByRole('img', { name: 'The loss over 2000 steps' });
  await page.waitForFunction(() => document.querySelector('article img')?.naturalWidth === 480);
  assert.match(await image.getAttribute('src'), /^blob:/);
  assert.equal(await card.getByRole('link', { name: 'the recipe' }).getAttribute('href'), '/glassbox/prism/blob/main/docs/recipe.md');
  assert.deepEqual(await card.getByRole('link', { name: 'the paper' }).evaluate((link) => [link.rel, link.target]), ['noopener noreferrer nofollow', '_blank']);
  assert.equal(await card.getByRole('link', { name: 'no filter' }).count(), 0); // out of the repository

  const facts = (await page.getByRole('complementary', { name: 'Use and facts' }).innerText()).replaceAll('\u202f', ' ');
  for (const fact of [/Architecture\s+LlamaForCausalLM/, /Parameters\s+3\.7 M/, /BF16\s+3\.7 M · 99\.97 %/, /Context\s+8,192 tokens/, /Licence\s+apache-2\.0/, /Fine-tuned from\s+tiny-lab\/seed-base/, /Trained on\s+tiny-lab\/fables/, /Downloads\s+12,840/]) assert.match(facts, fact);
  assert.match(facts, /Files that could run code.*modeling_prism\.py.*training_args\.bin/s);
  assert.equal(await page.getByRole('link', { name: 'tiny-lab/fables' }).getAttribute('href'), '/datasets/tiny-lab/fables');

  const openness = page.locator('details', { hasText: 'Model Openness Framework' });
  assert.equal(await openness.getByText('Next:').isVisible(), false);
  await openness.locator('summary', { hasText: 'Open model (class III)' }).click();
  assert.match(await openness.innerText(), /Next: Add the recipe.*Model architecture\s+config\.json.*Sample model outputs \(optional\)\s+not found.*Training code\s+not found/s);

  await page.getByRole('button', { name: 'Copy: Talk to it in a terminal' }).click();
  assert.equal(await copied(page), 'glassbox run glassbox/prism');
  await page.getByRole('button', { name: 'Copy: Fetch it' }).click();
  assert.equal(await copied(page), 'glassbox pull glassbox/prism');
  await page.getByText('From other programs').click();
  await page.getByRole('button', { name: 'Copy: With Hugging Face' }).click();
  assert.equal(await copied(page), `HF_ENDPOINT=${base} hf download glassbox/prism`);
  await page.getByRole('button', { name: 'Copy: In Python' }).click();
  assert.match(await copied(page), new RegExp(`HF_ENDPOINT"\\] = "${base}".*from_pretrained\\("glassbox/prism"\\)`, 's'));
  await noFindings(page);

  await card.getByRole('link', { name: 'the limits' }).click();
  assert.match(page.url(), /#card-limits-and-risks$/);
  await page.getByRole('link', { name: 'Talk to it' }).click();
  await page.getByRole('button', { name: 'Model: glassbox/prism' }).waitFor();
});

visit('hub: liking is shown as it is, counts once, and can be taken back', { needsMock }, async (page) => {
  await open(page, '/glassbox/prism');
  const like = page.getByRole('button', { name: /^Like/ });
  const shows = (pressed, count) => page.waitForFunction(([is, n]) => {
    const button = document.querySelector('.like');
    return button?.getAttribute('aria-pressed') === is && button.innerText.includes(n);
  }, [pressed, count]);
  await shows('false', '41');
  await like.click();
  await shows('true', '42');
  await page.reload();
  await shows('true', '42'); // the server says so
  const facts = page.getByRole('complementary', { name: 'Use and facts' });
  await facts.locator('summary').filter({ hasText: '42' }).click();
  const likers = facts.getByRole('list', { name: 'Who likes it' });
  await likers.getByRole('link', { name: 'me', exact: true }).waitFor();
  assert.equal(await likers.getByRole('link').count(), 30);
  await facts.getByRole('button', { name: 'More of them' }).click();
  await page.waitForFunction(() => document.querySelectorAll('[aria-label="Who likes it"] li').length === 42);
  await noFindings(page);
  await like.focus();
  await page.keyboard.press('Enter');
  await shows('false', '41');
  assert.match(await facts.innerText(), /Likes\s+41/);
});

visit('hub: who may not like a model reads why', { needsMock }, async (page) => {
  mock.state.hub.mayLike = false;
  await open(page, '/glassbox/prism');
  const like = page.getByRole('button', { name: /^Like/ });
  await page.waitForFunction(() => document.querySelector('.like')?.title.startsWith('Sign in'));
  assert.equal(await like.isDisabled(), true);
  await noFindings(page);
  mock.state.hub.mayLike = true;
});

visit('hub: a model among its variants: bases above, children below, counts, verdicts in words', { needsMock }, async (page) => {
  await open(page, '/glassbox/prism');
  const facts = page.getByRole('complementary', { name: 'Use and facts' });
  assert.match(await facts.innerText(), /Fine-tuned from\s+tiny-lab\/seed-base\s+Unknown/);
  await facts.getByRole('link', { name: '7 fine-tunes, 3 adapters, 1 merge, 2 quantized versions' }).click();
  assert.equal(new URL(page.url()).searchParams.get('glass'), 'variants');
  const pane = glass(page);
  const bases = pane.getByRole('list', { name: 'What it was made from', exact: true });
  const children = pane.getByRole('list', { name: 'Made from it', exact: true });
  await children.waitFor();
  const [above, self, below] = [await bases.boundingBox(), await pane.getByText('glassbox/prism').last().boundingBox(), await children.boundingBox()];
  const here = await pane.locator('[aria-current="true"]').boundingBox();
  assert.ok(self && above.y + above.height <= here.y && here.y + here.height <= below.y);
  assert.match(await bases.innerText(), /tiny-lab\/seed-00.*Verified: 3 of 4 tensors are the base’s, byte for byte.*tiny-lab\/seed-base.*Unknown: the base is not on this hub.*glassbox\/prism.*Contradicted.*on its own way up/s);
  assert.equal(await bases.getByRole('link', { name: 'tiny-lab/seed-base' }).count(), 0); // it is not here
  assert.equal(await pane.getByRole('list', { name: 'What tiny-lab/seed-00 was made from' }).getByRole('listitem').count(), 2);
  // A long list is folded.
  const direct = children.locator(':scope > li');
  assert.equal(await direct.count(), 6);
  assert.equal(await children.getByRole('link', { name: 'tiny-lab/seed-09' }).count(), 0);
  const more = children.getByRole('button', { name: '4 more: Made from it' });
  assert.equal(await more.getAttribute('aria-expanded'), 'false');
  await more.focus();
  await page.keyboard.press('Enter');
  await children.getByRole('link', { name: 'tiny-lab/seed-09' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent.startsWith('Fewer')), true); // the focus stays
  assert.match(await pane.innerText(), /4 are not drawn here|4 more are not drawn here/);
  assert.equal(await pane.getByRole('link', { name: 'all of them' }).getAttribute('href'), '/models?tags=base_model%3Aglassbox%2Fprism');
  // Each verdict that there is has its sentence.
  assert.deepEqual(await pane.locator('dl dt').allInnerTexts(), ['Verified', 'Plausible', 'Contradicted', 'Unknown']);
  await noFindings(page);
  // A variant leads to its own tree.
  await children.getByRole('link', { name: 'tiny-lab/seed-03' }).click();
  await page.waitForURL(/\/tiny-lab\/seed-03\?glass=variants/);
  await pane.getByText('No model here says to be made from it').waitFor();
  await pane.getByText('Its card names no base.').waitFor();
  await noFindings(page);
});

visit('hub: names of bases are text, whatever they say', { needsMock }, async (page) => {
  await open(page, '/tiny-lab/hostile?glass=variants');
  const bases = glass(page).getByRole('list', { name: 'What it was made from', exact: true });
  await bases.getByText('<img src=x onerror').waitFor();
  assert.equal(await bases.locator('a, img').count(), 0);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

visit('hub: the race, as lines and as the same numbers in a table', { needsMock }, async (page) => {
  await open(page, '/models');
  await page.getByRole('navigation', { name: 'Kinds' }).getByRole('link', { name: 'Race' }).click();
  assert.equal(new URL(page.url()).pathname, '/race');
  await page.getByRole('img', { name: /^Descendants of 6 models over 26 weeks: glassbox\/prism has 240, / }).waitFor();
  assert.equal(await page.locator('polyline').count(), 6);
  assert.equal(new Set(await page.locator('polyline').evaluateAll((lines) => lines.map((line) => line.style.stroke + line.getAttribute('stroke-dasharray')))).size, 6);
  const table = page.getByRole('table', { name: /^Descendants of each model by week/ });
  assert.equal(await table.getByRole('row').count(), 7);
  assert.deepEqual((await table.getByRole('row').nth(1).getByRole('cell').allInnerTexts()).slice(0, 3), ['240', '+231', '230']);
  assert.equal(await table.getByRole('rowheader', { name: /glassbox\/prism/ }).count(), 1);
  // The lines are the numbers: the last point of the first one is as high as it says.
  const ends = await page.locator('polyline').evaluateAll((lines) => lines.map((line) => Number(line.getAttribute('points').split(/[ ,]/).at(-1))));
  assert.deepEqual(ends.map((y) => Math.round((260 - y) / 260 * 300)), [240, 120, 80, 60, 48, 40]);
  await noFindings(page);

  await page.getByRole('combobox', { name: 'Models' }).selectOption('12');
  await page.waitForFunction(() => document.querySelectorAll('polyline').length === 12);
  assert.equal(new Set(await page.locator('polyline').evaluateAll((lines) => lines.map((line) => line.style.stroke + line.getAttribute('stroke-dasharray')))).size, 12);
  await page.getByRole('combobox', { name: 'Weeks' }).selectOption('52');
  await page.getByRole('img', { name: /over 52 weeks/ }).waitFor();
  assert.deepEqual(Object.fromEntries(new URL(page.url()).searchParams), { top: '12', weeks: '52' });
  await page.reload();
  await page.getByRole('img', { name: /^Descendants of 12 models over 52 weeks/ }).waitFor();
  // A week that is pointed at is named.
  await page.getByRole('img', { name: /^Descendants/ }).hover({ position: { x: 45, y: 100 } });
  await page.getByText('Week of 13 Jan 2025: prism 4, ').waitFor();

  assert.match(await downloaded(page, 'As CSV', 'models.csv'), /^id,likes/);
  assert.match(await downloaded(page, 'As JSON Lines', 'models.jsonl'), /^\{"id"/);
  await table.getByRole('link', { name: 'glassbox/prism' }).click();
  await page.waitForURL(/\/glassbox\/prism\?glass=variants/);
});

visit('hub: a race that nobody runs says what to do, and a key goes with the file', { needsMock }, async (page) => {
  mock.state.hub.race = { weeks: ['2026-01-05'], models: [], total: 3 };
  mock.state.key = 'secret';
  await page.addInitScript(() => localStorage.setItem('glassbox.key', 'secret'));
  await page.goto(`${base}/race`);
  await page.getByRole('heading', { name: 'Nobody has built upon a model here yet' }).waitFor();
  await noFindings(page);
  assert.match(await downloaded(page, 'As CSV', 'models.csv'), /^id,likes/);
  mock.state.hub.race = null;
  mock.state.key = null;
});

visit('hub: a hostile card stays text', { needsMock }, async (page) => {
  await open(page, '/tiny-lab/hostile');
  const card = page.getByRole('article', { name: 'Card' });
  await card.getByText('Words within HTML stay').waitFor();
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await card.locator('script, iframe, img, style, [onclick], [onerror]').count(), 0);
  assert.deepEqual(await card.locator('a').evaluateAll((links) => links.map((link) => link.href)), ['https://evil.example/track.png', 'https://example.org/auto']);
  assert.equal(await card.locator('a:not([rel="noopener noreferrer nofollow"])').count(), 0);
});

visit('hub: files with size, hash and last change; folders; branches and tags; a file in the glass', { needsMock }, async (page) => {
  await open(page, '/glassbox/prism');
  await page.getByRole('navigation', { name: 'Of this repository' }).getByRole('link', { name: 'Files' }).click();
  const row = (name) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
  await row('README.md').waitFor();
  assert.match((await row('model.safetensors').innerText()).replaceAll('\u202f', ' '), /750 kB\s+[0-9a-f]{8}.*Train 2000 steps\s+9 days ago/s);
  assert.match(await row('modeling_prism.py').innerText(), /could run code/);
  assert.equal(await row('tokenizer.json').count(), 0);
  await page.getByRole('button', { name: 'More files' }).click();
  await row('tokenizer.json').waitFor();
  assert.equal(await page.getByRole('button', { name: 'More files' }).count(), 0);
  await noFindings(page);

  await row('model.safetensors').getByRole('button', { name: /look inside model\.safetensors$/ }).click();
  await glass(page).getByRole('heading', { name: 'model.safetensors' }).waitFor();
  await glass(page).getByRole('button', { name: 'Copy: SHA-256' }).click();
  assert.match(await copied(page), /^[0-9a-f]{64}$/);
  await glass(page).getByRole('button', { name: 'Copy: Fetch this file' }).click();
  assert.equal(await copied(page), `HF_ENDPOINT=${base} hf download glassbox/prism model.safetensors`);
  await noFindings(page);
  await page.keyboard.press('Escape');
  await glass(page).waitFor({ state: 'detached' });

  await row('docs').getByRole('link', { name: 'docs' }).click();
  await row('deep').getByRole('link', { name: 'deep' }).click();
  await row('er').getByRole('link', { name: 'er' }).click();
  await row('still.txt').waitFor();
  assert.equal(new URL(page.url()).pathname, '/glassbox/prism/tree/main/docs/deep/er');
  await page.getByLabel('Branch, tag or commit').selectOption('v1.0');
  assert.equal(new URL(page.url()).pathname, '/glassbox/prism/tree/v1.0/docs/deep/er');
  await page.getByRole('navigation', { name: 'Folders' }).getByRole('link', { name: 'prism' }).click();
  await row('README.md').waitFor();
  assert.equal(new URL(page.url()).pathname, '/glassbox/prism/tree/v1.0');
  await page.getByRole('button', { name: 'More files' }).click();
  await row('strange & näme #1?.txt').getByRole('link', { name: 'strange & näme #1?.txt' }).click();
  await page.getByText('strange', { exact: true }).waitFor();
});

visit('hub: a file is shown as what it is', { needsMock }, async (page) => {
  await open(page, '/glassbox/prism/blob/main/config.json?line=3');
  const code = page.locator('.lines code');
  await page.waitForFunction(() => document.querySelector('.lines code')?.textContent.includes('"model_type": "llama"'));
  assert.match(await code.innerText(), /"big": 12345678901234567890\n\}$/); // no digit is lost
  assert.equal(await page.locator('.lines .mark').count(), 1);
  await noFindings(page);
  await page.getByRole('button', { name: 'As written' }).click();
  assert.equal(await code.innerText(), mock.state.hub.repositories[0].contents['config.json'].toString());
  await page.locator('.numbers').click();
  await page.waitForURL(/line=1/);

  await open(page, '/glassbox/prism/blob/main/tokenizer.json');
  await page.getByText(/The first 1.MB of 1\.8.MB are shown/).waitFor();
  assert.equal((await code.textContent()).length, 1 << 20);

  await open(page, '/glassbox/prism/blob/main/docs/recipe.md');
  await page.getByRole('link', { name: 'the card' }).click();
  await page.waitForURL(/\/glassbox\/prism\/blob\/main\/README\.md$/);

  await open(page, '/glassbox/prism/blob/main/images/loss.png');
  await page.waitForFunction(() => document.querySelector('.picture img')?.naturalWidth === 480);
  await noFindings(page);
  await open(page, '/glassbox/prism/blob/main/training_args.bin');
  await page.getByText('This file is no text').waitFor();
  await page.getByText('could run code').waitFor();
});

visit('hub: the tensors of a file, from its header alone, and the numbers of one', { needsMock }, async (page) => {
  const ranges = [];
  page.on('request', (request) => request.url().includes('/resolve/') && ranges.push(request.headers().range));
  await open(page, '/glassbox/prism/blob/main/model.safetensors');
  await page.getByText(/^26 tensors/).waitFor();
  assert.deepEqual(ranges, ['bytes=0-65535']);
  await page.getByRole('searchbox', { name: 'Find tensors' }).fill('layers.3 norm');
  await page.getByText(/1 fit/).waitFor();
  await page.getByRole('button', { name: /model\.layers\.3\.input_layernorm\.weight/ }).click();
  const pane = glass(page);
  await pane.getByRole('heading', { name: 'model.layers.3.input_layernorm.weight' }).waitFor();
  await pane.getByRole('img', { name: /^Histogram from -0\.\d+ to 0\.\d+, mean/ }).waitFor();
  assert.match(await pane.innerText(), /Dtype\s+F32\s+Shape\s+64\s+Numbers\s+64/);
  assert.match(page.url(), /at=model\.layers\.3\.input_layernorm\.weight/);
  await noFindings(page);

  await open(page, '/glassbox/prism/blob/main/many.safetensors');
  await page.getByText(/^10,000 tensors/).waitFor();
  assert.ok((await page.getByRole('listitem').filter({ hasText: 'layers.' }).count()) < 80, 'rows out of sight are not in the page');
  const first = page.getByRole('button', { name: /^layers\.0\.weight/ });
  await first.focus();
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.activeElement?.textContent.includes('layers.9999.weight'));
  await page.keyboard.press('ArrowUp');
  await page.waitForFunction(() => document.activeElement?.textContent.includes('layers.9998.weight'));
  await page.keyboard.press('Enter');
  await glass(page).getByRole('heading', { name: 'layers.9998.weight' }).waitFor();

  await open(page, '/glassbox/prism/blob/main/wrong.safetensors');
  await page.getByText('its header would end after the file').waitFor();
});

visit('hub: the history, and what a commit says', { needsMock }, async (page) => {
  await open(page, '/glassbox/prism/commits/main');
  await page.getByText('64 commits').waitFor();
  await page.getByRole('button', { name: /^Say what it is/ }).click();
  await glass(page).getByText('And its limits.').waitFor();
  await noFindings(page);
  await page.getByRole('button', { name: 'Older commits' }).click();
  await page.getByRole('button', { name: /^initial commit/ }).waitFor();
  await glass(page).getByRole('link', { name: 'The files as they were then' }).click();
  await page.waitForURL(/\/glassbox\/prism\/tree\/[0-9a-f]{40}/);
  await page.getByRole('link', { name: 'README.md' }).waitFor();
});

visit('hub: what is not here, a server without one, and one that is away', { needsMock, expected: [kAway] }, async (page) => {
  await page.goto(`${base}/nobody/nothing`);
  await page.getByRole('heading', { name: 'nobody/nothing: it is not here' }).waitFor();
  await noFindings(page);
  await page.goto(`${base}/glassbox/prism/tree/gone`);
  await page.getByText('No branch, tag or commit has this name.').waitFor();
  await page.goto(`${base}/glassbox/prism/blob/main/gone.txt`);
  await page.getByText('No file or folder has this path at this revision.').waitFor();
  await open(page, '/tiny-lab/no-card');
  await page.getByRole('heading', { name: 'It has no card' }).waitFor();

  const hub = mock.state.hub;
  mock.state.hub = null;
  await page.goto(`${base}/models`);
  await page.getByRole('heading', { name: 'This Glassbox keeps no hub' }).waitFor();
  mock.state.hub = hub;

  await open(page, '/models');
  await mock.stop();
  await page.getByRole('link', { name: 'Data sets' }).click();
  await page.getByRole('heading', { name: 'The data sets could not be shown' }).waitFor();
  await page.locator('.banner').getByText('Glassbox is not answering').waitFor();
  await mock.start();
  await page.getByRole('link', { name: 'tiny-lab/fables' }).waitFor(); // asked again by itself
});

visit('hub: with a key where the server asks for one, pictures too', { needsMock }, async (page) => {
  mock.state.key = 'secret';
  await page.addInitScript(() => localStorage.setItem('glassbox.key', 'secret'));
  await open(page, '/glassbox/prism');
  await page.waitForFunction(() => document.querySelector('article img')?.naturalWidth === 480);
  mock.state.key = null;
});

visit('hub: keyboard and palette', { needsMock }, async (page) => {
  await page.goto(`${base}/chat`);
  await page.locator('textarea').waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('go to hub');
  await page.keyboard.press('Enter');
  await rows(page).first().waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('sort by downloads');
  await page.keyboard.press('Enter');
  await page.waitForURL(/sort=downloads/);
  await rows(page).filter({ hasText: 'prism' }).getByRole('button', { name: 'Look inside glassbox/prism' }).press('Enter');
  await glass(page).getByRole('heading', { name: 'glassbox/prism' }).waitFor();
  await glass(page).getByText('LlamaForCausalLM').waitFor();
  await page.keyboard.press('Escape');
  await glass(page).waitFor({ state: 'detached' });
  await rows(page).getByRole('link', { name: 'glassbox/prism' }).press('Enter');
  await page.getByRole('heading', { name: 'Prism', exact: true }).waitFor();
  await page.keyboard.press('g');
  await glass(page).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('history');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/commits\/main/);
});

for (const colorScheme of ['light', 'dark']) {
  visit(`hub: a phone, 320 pixels wide, ${colorScheme}`, { needsMock, viewport: { width: 320, height: 640 }, colorScheme }, async (page) => {
    for (const path of ['/models', '/glassbox/prism', '/glassbox/prism/tree/main', '/glassbox/prism/blob/main/model.safetensors', '/glassbox/prism/commits/main', '/race', '/a-rather-long-organisation/SmolLM2-135M-Instruct-with-a-long-name-GGUF-imatrix']) {
      await open(page, path);
      await page.waitForTimeout(200);
      assert.deepEqual((await scrollsSideways(page)).filter((html) => !/class="(chip|filters)/.test(html)), [], path);
      await noFindings(page);
    }
    await open(page, '/glassbox/prism/tree/main');
    await page.getByRole('button', { name: /look inside README\.md$/ }).click();
    await page.getByRole('dialog', { name: 'The glass' }).getByRole('heading', { name: 'README.md' }).waitFor();
    await noFindings(page);
    await open(page, '/glassbox/prism?glass=variants');
    const sheet = page.getByRole('dialog', { name: 'The glass' });
    await sheet.getByRole('list', { name: 'Made from it', exact: true }).waitFor();
    assert.deepEqual(await sheet.locator('.body').evaluate((body) => [...body.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && !node.closest('.visually-hidden')).map((node) => node.outerHTML.slice(0, 120))), []);
    await noFindings(page);
  });
}

visit('hub: nothing moves while it loads', { needsMock }, async (page) => {
  await page.addInitScript(() => {
    window.moved = [];
    new PerformanceObserver((list) => window.moved.push(...list.getEntries().filter((entry) => !entry.hadRecentInput).map((entry) => entry.value))).observe({ type: 'layout-shift', buffered: true });
  });
  for (const path of ['/models', '/glassbox/prism', '/glassbox/prism/tree/main', '/glassbox/prism/blob/main/config.json', '/race']) {
    await open(page, path);
    await page.waitForTimeout(400);
    const moved = await page.evaluate(() => window.moved.reduce((sum, one) => sum + one, 0));
    assert.ok(moved < 0.02, `${path}: ${moved}`);
  }
});

visit('hub: browsers get the page at its addresses, and files and JSON stay what they are', { needsMock }, async (page) => {
  const file = await page.request.get(`${base}/glassbox/prism/raw/main/README.md`, { headers: { Accept: 'text/html' } });
  assert.equal((await file.body()).toString(), mock.state.hub.repositories[0].contents['README.md'].toString());
  const list = await page.request.get(`${base}/api/models?limit=1`, { headers: { Accept: 'text/html' } });
  assert.equal((await list.json()).length, 1);
});

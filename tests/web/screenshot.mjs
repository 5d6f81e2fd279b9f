// Takes the README's picture of the chat: node tests/web/screenshot.mjs [--url http://127.0.0.1:8080] [--out docs/images/chat.png]
// Without --url the mock server answers, with --dist as in run.mjs. The seed is fixed: the same model gives the same picture.
import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { startMock } from './mock.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const option = (name, usual) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : usual);
const out = resolve(option('--out', `${root}/docs/images/chat.png`));
const given = option('--url');
const mock = given ? null : await startMock({ rate: 80, dist: resolve(option('--dist', `${root}/web/dist`)) });
const browser = await launch();

async function ask(page, text) {
  const answers = await page.locator('[data-message]').count();
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.keyboard.press('Enter');
  await page.waitForFunction(
    (n) => document.querySelectorAll('[data-message]').length > n && !document.querySelector('[aria-busy="true"]'), answers, { timeout: 120_000 });
}

const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: option('--scheme', 'light') });
await page.goto(`${given ?? mock.url}/chat?seed=${option('--seed', '7')}&glass=token&colour=probability`);
await page.getByRole('button', { name: /^Model: \S+\/\S/ }).waitFor();
await ask(page, option('--first', 'What is 17 + 25?'));
await ask(page, option('--second', 'Tell me a story about a fox in a forest.'));

// Hold the least certain token of the last answer's first half: there is something to see beside it.
await page.waitForTimeout(1500); // kept
const index = await page.evaluate(async () => {
  const id = location.pathname.split('/')[2];
  const result = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: () => reject(request.error) }));
  const database = await result(indexedDB.open('glassbox'));
  const { messages } = JSON.parse(await result(database.transaction('conversations').objectStore('conversations').get(id)));
  const last = messages.at(-1);
  const half = last.tokens.slice(0, Math.ceil(last.tokens.length / 2));
  return [last.id, half.reduce((least, token, i) => (token[1] < half[least][1] ? i : least), 0)].join('.');
});
await page.goto(`${page.url()}&at=${index}`);
await page.locator('[data-alternative]').first().waitFor();
await page.evaluate(() => document.activeElement?.blur());
await page.waitForTimeout(600);
mkdirSync(dirname(out), { recursive: true });
await page.screenshot({ path: out });
console.log(`${out}: ${statSync(out).size} bytes`);
await browser.close();
await mock?.stop();
process.exit(0);

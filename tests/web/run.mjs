// Runs the tests of the pages: node tests/web/run.mjs [--dist FOLDER] [--url http://127.0.0.1:8080] [--only WORDS]
// With --url against a running server, leaving out those that need the mock server's ways. Exits with 77 (skipped) where
// there is no Chromium.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hasChromium, kChromium } from './browser.mjs';

const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
if (!hasChromium()) {
  console.log(`no browser at ${kChromium}: install chromium, or set CHROMIUM`);
  process.exit(77);
}
const only = option('--only');
const env = { ...process.env, GLASSBOX_PAGES_DIST: option('--dist') ?? process.env.GLASSBOX_PAGES_DIST ?? '', GLASSBOX_PAGES_URL: option('--url') ?? process.env.GLASSBOX_PAGES_URL ?? '' };
// One after the other: each has a browser and a server.
const statuses = ['pages.test.mjs', 'hub.test.mjs'].map((file) => {
  const { status } = spawnSync(process.execPath, ['--test', ...(only ? [`--test-name-pattern=${only}`] : []), fileURLToPath(new URL(file, import.meta.url))], { stdio: 'inherit', env });
  return status ?? 1;
});
process.exit(Math.max(...statuses));

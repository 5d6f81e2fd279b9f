// What the tests of the pages share: a server, a browser, and a visit in which nothing goes wrong unseen.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { axeSource, launch } from './browser.mjs';
import { startMock } from './mock.mjs';

export const real = process.env.GLASSBOX_PAGES_URL || null;
const dist = process.env.GLASSBOX_PAGES_DIST || fileURLToPath(new URL('../../web/dist', import.meta.url));
const kWide = { width: 1280, height: 800 };

export let browser, mock, base;
before(async () => {
  if (!real) mock = await startMock({ dist, rate: 300 });
  base = real ?? mock.url;
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await mock?.stop();
});

// A test of the pages: in a browser of its own, in which no script fails, nothing is logged as an error, and no other
// host is asked for anything. What a test expects to be logged it names in `expected`.
export function visit(name, options, body) {
  const { needsMock = false, viewport = kWide, expected = [], ...context } = options;
  test(name, { skip: needsMock && real ? 'needs the mock server' : false, timeout: 300_000 }, async () => {
    const own = await browser.newContext({ viewport, permissions: ['clipboard-read', 'clipboard-write'], ...context });
    const page = await own.newPage();
    page.setDefaultTimeout(60_000);
    const faults = [];
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('pageerror', (error) => faults.push(`uncaught: ${error.message}`));
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(base + '/') && !/^(data|blob):/.test(url)) faults.push(`another host was asked: ${url}`);
    });
    if (mock) Object.assign(mock.state, { rate: 300, breakAfter: 0, requests: [], prompts: [], hasPrompt: true, stopped: 0, trainingStep: 1400 });
    try {
      await body(page);
      assert.deepEqual(faults.filter((fault) => !expected.some((pattern) => pattern.test(fault))), []);
    } catch (error) {
      if (process.env.GLASSBOX_PAGES_SHOTS) await page.screenshot({ path: `${process.env.GLASSBOX_PAGES_SHOTS}/${name.replace(/\W+/g, '-')}.png` });
      throw error;
    } finally {
      await own.close();
    }
  });
}

export const kAway = /Failed to load resource|net::ERR_/; // Chromium's own line when a server is away or says no

export async function noFindings(page) {
  await page.waitForTimeout(300); // what fades in has its colours
  const findings = await page.evaluate(`${axeSource()};axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`);
  assert.deepEqual(findings.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? '')).join(' | ')}`), []);
}

export const scrollsSideways = (page) => page.evaluate(() => {
  const wide = [...document.querySelectorAll('body *')].filter((node) => {
    const box = node.getBoundingClientRect();
    const inScroller = node.closest('pre, .table, [popover], .visually-hidden, .skip, .math');
    return box.width > 0 && !inScroller && (box.right > innerWidth + 1 || box.left < -1) && getComputedStyle(node).clipPath === 'none';
  });
  return wide.map((node) => node.outerHTML.slice(0, 120));
});

// Chromium for the tests of the pages: Debian's own, driven by playwright-core of web/node_modules.
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
export const kChromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const hasChromium = () => existsSync(kChromium);

export function launch() {
  const { chromium } = require('playwright-core');
  return chromium.launch({
    executablePath: kChromium,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export const axeSource = () => require('axe-core').source;

// Builds the pages and packs them for the binary. Run by CMake: node web/embed/build.mjs OUT
//   OUT/dist/            what vite made
//   OUT/assets.bin       every file, plain and gzip-compressed, one after the other
//   OUT/asset_table.inc  C++: where in assets.bin each is
// npm ci runs only when package-lock.json is not the one installed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const web = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? join(web, 'build'));

const kTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

function npm(...args) {
  execFileSync('npm', args, { cwd: web, stdio: ['ignore', 2, 2], env: { ...process.env, GLASSBOX_WEB_OUT: join(out, 'dist') } });
}

function install() {
  const lock = createHash('sha256').update(readFileSync(join(web, 'package-lock.json'))).digest('hex');
  const stamp = join(web, 'node_modules', '.installed-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  npm('ci', '--no-audit', '--no-fund', '--loglevel=error');
  writeFileSync(stamp, lock);
}

function files(folder, under = '') {
  return readdirSync(join(folder, under), { withFileTypes: true }).flatMap((entry) => {
    const path = `${under}/${entry.name}`;
    return entry.isDirectory() ? files(folder, path) : [path];
  });
}

function pack() {
  const parts = [];
  let end = 0;
  const put = (bytes) => {
    const at = end;
    parts.push(bytes);
    end += bytes.length;
    return at;
  };
  const quote = (text) => JSON.stringify(text); // paths and types are plain ASCII: the same escapes as C++
  const rows = files(join(out, 'dist')).sort((a, b) => (a < b ? -1 : 1)).map((path) => {
    const type = kTypes[extname(path)];
    if (!type) throw new Error(`${path}: no content type is known for it: add it to web/embed/build.mjs`);
    const bytes = readFileSync(join(out, 'dist', path));
    const zipped = gzipSync(bytes, { level: 9 });
    const saves = zipped.length < bytes.length * 0.95;
    const etag = '"' + createHash('sha256').update(bytes).digest('hex').slice(0, 32) + '"';
    const at = put(bytes);
    const zipped_at = saves ? put(zipped) : 0;
    return `    Entry{${quote(path)}, ${quote(type)}, ${quote(etag)}, ${at}, ${bytes.length}, ` +
      `${zipped_at}, ${saves ? zipped.length : 0}, ${path.startsWith('/assets/')}},`;
  });
  // Which of the hub's addresses are pages, the server decides request by request: its API has paths among them.
  const places = JSON.parse(readFileSync(join(web, 'places.json'), 'utf8')).filter((place) => !place.hub);
  const pages = places.map((place) => quote(place.path));
  writeFileSync(join(out, 'assets.bin'), Buffer.concat(parts));
  writeFileSync(join(out, 'asset_table.inc'),
    `constexpr std::array<Entry, ${rows.length}> kEntries = {{\n${rows.join('\n')}\n}};\n` +
    `constexpr std::array<std::string_view, ${pages.length}> kPages = {{${pages.join(', ')}}};\n`);
}

mkdirSync(out, { recursive: true });
install();
npm('run', '--silent', 'build');
pack();

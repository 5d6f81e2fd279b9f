// The hub of the mock server: repositories in memory, spoken of as src/server/hub does. Made up by rule, always the same.
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

const sha1 = (bytes) => createHash('sha1').update(bytes).digest('hex');
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const gitHash = (bytes) => sha1(Buffer.concat([Buffer.from(`blob ${bytes.length}\0`), bytes]));
const kNow = Date.now();
const kDay = 86_400_000;
const date = (days) => new Date(kNow - days * kDay).toISOString();

const kLarge = /\.(safetensors|bin|png)$/;

// A safetensors file of these tensors (name -> [dtype, shape]), filled with a bell of numbers.
export function safetensors(tensors, metadata = { format: 'pt' }) {
  const kBytes = { F32: 4, BF16: 2, I64: 8 };
  const header = { __metadata__: metadata };
  const parts = [];
  let at = 0;
  let turn = 1;
  const random = () => ((turn = Math.imul(turn, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (const [name, [dtype, shape]] of Object.entries(tensors)) {
    const count = shape.reduce((product, one) => product * one, 1);
    const bytes = Buffer.alloc(count * kBytes[dtype]);
    for (let i = 0; i < count; i++) {
      const value = (random() + random() + random() + random() - 2) * 0.05;
      if (dtype === 'F32') bytes.writeFloatLE(value, i * 4);
      if (dtype === 'BF16') {
        const four = Buffer.alloc(4);
        four.writeFloatLE(value);
        four.copy(bytes, i * 2, 2, 4);
      }
    }
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
    parts.push(bytes);
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...parts]);
}

// A PNG of falling bars, as a loss would.
function picture(width = 480, height = 160) {
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = y > height - 12 - (height - 24) * Math.exp(-x / 120) && x % 12 < 9 ? 70 : 238;
  const crcTable = Array.from({ length: 256 }, (_, n) => [...Array(8)].reduce((c) => (c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1), n) >>> 0);
  const crc = (bytes) => (bytes.reduce((c, byte) => crcTable[(c ^ byte) & 255] ^ (c >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), out.length - 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

const layers = (count, dtype) => Object.fromEntries(Array.from({ length: count }, (_, i) => [
  [`model.layers.${i}.self_attn.q_proj.weight`, [dtype, [64, 64]]],
  [`model.layers.${i}.self_attn.o_proj.weight`, [dtype, [64, 64]]],
  [`model.layers.${i}.mlp.down_proj.weight`, [dtype, [64, 160]]],
  [`model.layers.${i}.input_layernorm.weight`, ['F32', [64]]],
]).flat());

const kCard = `---
license: apache-2.0
pipeline_tag: text-generation
base_model: tiny-lab/seed-base
language: [en, fr]
datasets: [tiny-lab/fables]
tags: [small, teaching]
---
# Prism

A small model **made in the open**: its text, its weights and its training are all there to be looked at.

![The loss over 2000 steps](images/loss.png)

## How to use it

\`\`\`python
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("glassbox/prism")
\`\`\`

## What it can do

| task | score | of |
|---|--:|--:|
| sums of two digits | 0.98 | 1.00 |
| questions about a passage | 0.88 | 1.00 |

It is trained to minimise $-\\sum_i \\log p(x_i \\mid x_{<i})$. See [the recipe](docs/recipe.md), [the limits](#limits-and-risks) and [the paper](https://example.org/paper).

## Limits and risks

- It knows **little**: it read 40 million words.
- It has [no filter](../../../api/whoami-v2).
`;

const kHostile = `# Hostile <script>window.hacked = 1</script>

<script>window.hacked = 2</script>

<img src="x" onerror="window.hacked = 3"><div onclick="window.hacked = 4">Words within HTML stay</div>

[a](javascript:window.hacked=5) [b](data:text/html,<script>window.hacked=6</script>) [c](vbscript:x) [d](//evil.example/x) [e](../../../etc/passwd) [f](sub/../../x)

![p](https://evil.example/track.png) ![q](../../other/repo/resolve/main/x.png) ![r" onerror="window.hacked=7](data:image/png;base64,AAAA)

<iframe src="https://evil.example"></iframe><a href="javascript:window.hacked=8">x</a>

[g][later] and <https://example.org/auto>

[later]: javascript:window.hacked=9
`;

function repository(kind, id, files, more = {}) {
  const contents = Object.fromEntries(Object.entries(files).map(([path, content]) => [path, Buffer.isBuffer(content) ? content : Buffer.from(content)]));
  const commits = (more.commits ?? [['Say what it is', 2], ['Train 2000 steps', 9], ['initial commit', 30]]).map(([title, days, message = '']) => ({ id: sha1(`${id} ${title} ${days}`), title, message, date: date(days), authors: [{ user: id.split('/')[0] }] }));
  return { kind, id, contents, commits, branches: ['main', ...(more.branches ?? [])], tagNames: more.tagNames ?? [], likes: more.likes ?? 0, downloads: more.downloads ?? 0, tags: more.tags ?? [], fields: more.fields ?? {}, created: date(30), modified: commits[0].date };
}

function world() {
  const weights = safetensors({ 'model.embed_tokens.weight': ['BF16', [4096, 64]], ...layers(6, 'BF16'), 'model.norm.weight': ['F32', [64]] });
  const all = [
    repository('model', 'glassbox/prism', {
      'README.md': kCard,
      '.gitattributes': '*.safetensors filter=lfs diff=lfs merge=lfs -text\n',
      'config.json': '{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"rope_theta":10000.0,"vocab_size":4096,"empty":{},"list":[1,2],"big":12345678901234567890}',
      'model.safetensors': weights,
      'many.safetensors': safetensors(Object.fromEntries(Array.from({ length: 10000 }, (_, i) => [`layers.${i}.weight`, ['F32', [2]]]))),
      'wrong.safetensors': Buffer.from('\xff\xff\xff\xff\xff\xff\xff\x7fnot at all', 'latin1'),
      'training_args.bin': Buffer.from([128, 2, 125, 0, 46]),
      'modeling_prism.py': 'import os\n\n\ndef attend(q, k, v):\n    """What attention means."""\n    return (q @ k.T).softmax(-1) @ v\n',
      'tokenizer.json': `{"version":"1.0","vocab":{${Array.from({ length: 90_000 }, (_, i) => `"token-${i}":${i}`).join(',')}}}`,
      'docs/recipe.md': '# Recipe\n\nBack to [the card](../README.md).\n',
      'docs/deep/er/still.txt': 'deep\n',
      'images/loss.png': picture(),
      'strange & näme #1?.txt': 'strange\n',
    }, {
      likes: 41, downloads: 12_840, branches: ['longer'], tagNames: ['v1.0'], tags: ['transformers', 'text-generation', 'small', 'teaching', 'en', 'fr', 'license:apache-2.0', 'dataset:tiny-lab/fables', 'base_model:tiny-lab/seed-base', 'base_model:finetune:tiny-lab/seed-base', 'safetensors'],
      fields: { pipeline_tag: 'text-generation', library_name: 'transformers', safetensors: { parameters: { BF16: 3_669_000, F32: 1016 }, total: 3_670_016 }, config: { architectures: ['LlamaForCausalLM'], model_type: 'llama', max_position_embeddings: 8192 }, cardData: { license: 'apache-2.0', pipeline_tag: 'text-generation', base_model: 'tiny-lab/seed-base', language: ['en', 'fr'], datasets: ['tiny-lab/fables'] }, baseModels: { relation: 'finetune', models: [{ _id: '', id: 'tiny-lab/seed-base', lineage: { verdict: 'unknown', why: 'the base is not on this hub' } }] }, openness: { class: 3, next: 'Add the recipe or the program that trained it', components: [{ name: 'Model architecture', class: 3, optional: false, found: 'config.json' }, { name: 'Sample model outputs', class: 3, optional: true }, { name: 'Training code', class: 2, optional: false }, { name: 'Datasets', class: 1, optional: false, found: "the card's datasets" }] }, childrenModelCount: { finetune: 7, adapter: 3, merge: 1, quantized: 2 } },
      commits: [['Say what it is', 2, 'The card names its data.\n\nAnd its limits.'], ['Train 2000 steps', 9], ['Add training arguments', 9.2], ...Array.from({ length: 60 }, (_, i) => [`Step ${60 - i}`, 10 + i]), ['initial commit', 80]],
    }),
    repository('model', 'tiny-lab/hostile', { 'README.md': kHostile }, { likes: 1, tags: ['small'] }),
    repository('model', 'tiny-lab/no-card', { 'weights.bin': Buffer.from([0, 1, 2]) }),
    repository('model', 'a-rather-long-organisation/SmolLM2-135M-Instruct-with-a-long-name-GGUF-imatrix', { 'README.md': '# Long\n' }, { likes: 1203, downloads: 1_250_000, tags: ['gguf', 'text-generation', 'license:mit', 'quantised', 'imatrix', 'conversational', 'en', 'many', 'more'], fields: { pipeline_tag: 'text-generation', safetensors: { parameters: { BF16: 134_515_008 }, total: 134_515_008 } } }),
    repository('dataset', 'tiny-lab/fables', { 'README.md': '# Fables\n\nForty fables, in plain words.\n', 'data/train.jsonl': '{"text":"Once there was a fox."}\n{"text":"A crow found a cheese."}\n' }, { likes: 7, downloads: 312, tags: ['task_categories:text-generation', 'language:en', 'license:cc0-1.0', 'size_categories:n<1K'], fields: { cardData: { license: 'cc0-1.0' } } }),
    ...Array.from({ length: 62 }, (_, i) => repository('model', `tiny-lab/seed-${String(i).padStart(2, '0')}`, { 'README.md': `# Seed ${i}\n` }, { likes: i % 9, downloads: (i * 37) % 500, tags: [i % 2 ? 'odd' : 'even', 'small', 'license:mit', 'safetensors'], commits: [['initial commit', 3 + i]], fields: { pipeline_tag: i % 3 ? 'text-generation' : 'fill-mask', safetensors: { parameters: { F32: 1_000_000 + i * 10_000 }, total: 1_000_000 + i * 10_000 } } })),
  ];
  return all;
}

// The trees of variants, by rule: prism stands among many, hostile among names that are none, all others alone.
const kRelations = ['finetune', 'adapter', 'merge', 'quantized'];
const counted = (counts = {}) => Object.fromEntries(kRelations.map((relation) => [relation, counts[relation] ?? 0]));
const variant = (id, relation, verdict, why, more = {}) => ({ id, here: true, createdAt: date(20), private: false, likes: 3, downloads: 1204, relation, verdict, why, childrenModelCount: counted(), leftOut: 0, ...more });
const stranger = (id) => ({ id, here: false, relation: 'finetune', verdict: 'unknown', why: 'the base is not on this hub' });
function treeOf(id) {
  const alone = { id, createdAt: date(30), private: false, likes: 0, downloads: 0, childrenModelCount: counted(), bases: [], children: [], leftOut: { bases: 0, children: 0 } };
  if (id === 'tiny-lab/hostile') return { ...alone, bases: [stranger('<img src=x onerror="window.hacked = 1">'), stranger('javascript:window.hacked=2/x')] };
  if (id !== 'glassbox/prism') return alone;
  const child = (i, more) => variant(`tiny-lab/seed-0${i}`, kRelations[i % 4], 'plausible', 'its weights differ from the base\u2019s by 0.12 of their norm', { children: [], ...more });
  return {
    ...alone,
    childrenModelCount: counted({ finetune: 7, adapter: 3, merge: 1, quantized: 2 }),
    bases: [variant('tiny-lab/seed-00', 'finetune', 'verified', '3 of 4 tensors are the base\u2019s, byte for byte', { bases: [stranger('tiny-lab/seed-base'), variant('glassbox/prism', 'finetune', 'contradicted', 'tensors of the same name have other shapes', { circle: true })] })],
    children: [
      child(1, { childrenModelCount: counted({ quantized: 2 }), children: [variant('a-rather-long-organisation/SmolLM2-135M-Instruct-with-a-long-name-GGUF-imatrix', 'quantized', 'unknown', 'no tensor has a name that the base has', { children: [], childrenModelCount: counted({ merge: 4 }), leftOut: 4 }), child(2, { elsewhere: true })] }),
      child(2, { private: true }),
      ...[3, 4, 5, 6, 7, 8, 9].map((i) => child(i)),
    ],
    leftOut: { bases: 0, children: 4 },
  };
}

function raceOf(count, most) {
  const monday = 1_767_571_200_000; // 2026-01-05
  const weeks = Array.from({ length: count }, (_, i) => new Date(monday - (count - 1 - i) * 7 * kDay).toISOString().slice(0, 10));
  const ids = ['glassbox/prism', 'a-rather-long-organisation/SmolLM2-135M-Instruct-with-a-long-name-GGUF-imatrix', ...Array.from({ length: 12 }, (_, i) => `tiny-lab/seed-${String(i).padStart(2, '0')}`)];
  const models = ids.map((id, k) => ({ id, createdAt: date(30), private: k === 1, likes: k, downloads: k * 7, counts: weeks.map((_, i) => Math.floor(((count - (count - 1 - i)) / count) ** (1 + k / 3) * (240 / (k + 1)))) }));
  return { weeks, models: models.slice(0, most), total: 67 };
}

export function mockHub() {
  const repositories = world();

  function described(one, only) {
    const fields = { author: one.id.split('/')[0], sha: one.commits[0].id, lastModified: one.modified, createdAt: one.created, private: false, gated: false, downloads: one.downloads, likes: one.likes, tags: one.tags, siblings: Object.keys(one.contents).sort().map((rfilename) => ({ rfilename })), usedStorage: Object.values(one.contents).reduce((sum, bytes) => sum + bytes.length, 0), ...one.fields };
    return Object.fromEntries([['_id', '0'.repeat(24)], ['id', one.id], ...Object.entries(fields).filter(([name]) => !only.length || only.includes(name))]);
  }

  function entry(one, path, expand) {
    const bytes = one.contents[path];
    const last = expand ? { lastCommit: { id: one.commits[path === 'README.md' ? 0 : Math.min(1, one.commits.length - 1)].id, title: one.commits[path === 'README.md' ? 0 : Math.min(1, one.commits.length - 1)].title, date: one.commits[path === 'README.md' ? 0 : Math.min(1, one.commits.length - 1)].date } } : {};
    if (!bytes) return Object.keys(one.contents).some((file) => file.startsWith(`${path}/`)) ? { type: 'directory', path, oid: sha1(path), size: 0, ...last } : null;
    const file = { type: 'file', path, oid: gitHash(bytes), size: bytes.length, ...last };
    return kLarge.test(path) ? { ...file, lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } } : file;
  }

  // Takes the request if it is the hub's. `pageSize` makes the pages of folders short.
  return {
    repositories,
    pageSize: 8,
    mayLike: true,
    race: null, // instead of the made-up one
    async handle(request, response) {
      const url = new URL(request.url, 'http://x');
      const answer = (status, body, headers = {}) => {
        response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
        response.end(JSON.stringify(body));
      };
      const refuse = (status, error, code) => answer(status, { error }, { 'X-Error-Code': code });
      const page = (items, size, extra = {}) => {
        const from = Number(url.searchParams.get('cursor') ?? 0);
        const next = new URL(url);
        next.searchParams.set('cursor', String(from + size));
        answer(200, items.slice(from, from + size), { ...(from + size < items.length && { Link: `<http://${request.headers.host}${next.pathname}${next.search}>; rel="next"` }), ...extra });
      };

      const list = /^\/api\/(model|dataset)s$/.exec(url.pathname);
      if (list) {
        const [words, tags, author, sort] = [url.searchParams.getAll('search'), url.searchParams.getAll('filter'), url.searchParams.get('author'), url.searchParams.get('sort')];
        const score = { likes: (one) => one.likes, downloads: (one) => one.downloads, lastModified: (one) => Date.parse(one.modified), trendingScore: (one) => one.likes }[sort ?? 'trendingScore'];
        const found = repositories.filter((one) => one.kind === list[1] && words.every((word) => one.id.toLowerCase().includes(word.toLowerCase())) && tags.every((tag) => one.tags.includes(tag)) && (!author || one.id.split('/')[0] === author));
        found.sort((a, b) => score(b) - score(a));
        page(found.map((one) => described(one, url.searchParams.getAll('expand'))), Number(url.searchParams.get('limit') ?? 100));
        return true;
      }

      if (url.pathname === '/api/race') return answer(200, this.race ?? raceOf(Number(url.searchParams.get('weeks')), Number(url.searchParams.get('limit')))), true;
      if (url.pathname === '/api/popularity') {
        const csv = url.searchParams.get('format') === 'csv';
        response.writeHead(200, { 'Content-Type': csv ? 'text/csv' : 'application/x-ndjson', 'Content-Disposition': `attachment; filename="models.${csv ? 'csv' : 'jsonl'}"` });
        response.end(csv ? 'id,likes\r\n"glassbox/prism",41\r\n' : '{"id":"glassbox/prism","likes":41}\n');
        return true;
      }

      const api = /^\/api\/(model|dataset)s\/([^/]+)\/([^/]+)(?:\/([^/]+)(?:\/(.*))?)?$/.exec(url.pathname);
      const file = /^(\/datasets)?\/([^/]+)\/([^/]+)\/(resolve|raw)\/([^/]+)\/(.+)$/.exec(url.pathname);
      if (!api && !file) return false;
      const kind = api ? api[1] : file[1] ? 'dataset' : 'model';
      const id = `${(api ?? file)[2]}/${(api ?? file)[3]}`;
      const one = repositories.find((other) => other.kind === kind && other.id === id);
      if (!one) return refuse(404, `there is no ${kind} ${id}`, 'RepoNotFound'), true;
      const known = (revision) => one.branches.includes(revision) || one.tagNames.includes(revision) || one.commits.some((commit) => commit.id === revision);
      const noRevision = (revision) => (known(revision) ? false : (refuse(404, `${id}: no revision ${revision}`, 'RevisionNotFound'), true));
      if (file) {
        const [revision, path] = [decodeURIComponent(file[5]), file[6].split('/').map(decodeURIComponent).join('/')];
        if (noRevision(revision)) return true;
        const bytes = one.contents[path];
        if (!bytes) return refuse(404, `${id}: no file ${path}`, 'EntryNotFound'), true;
        const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
        const [begin, end] = range ? [Number(range[1]), Math.min(bytes.length, Number(range[2] || bytes.length) + 1)] : [0, bytes.length];
        response.writeHead(range ? 206 : 200, { 'Content-Type': 'application/octet-stream', 'X-Content-Type-Options': 'nosniff', 'Content-Security-Policy': "default-src 'none'; sandbox", 'Content-Length': end - begin, ...(range && { 'Content-Range': `bytes ${begin}-${end - 1}/${bytes.length}` }) });
        response.end(bytes.subarray(begin, end));
        return true;
      }
      const [, , , , what, rest = ''] = api;
      if (!what) return answer(200, described(one, url.searchParams.getAll('expand'))), true;
      if (what === 'refs') return answer(200, { branches: one.branches.map((name) => ({ name, ref: `refs/heads/${name}`, targetCommit: one.commits[0].id })), converts: [], tags: one.tagNames.map((name) => ({ name, ref: `refs/tags/${name}`, targetCommit: one.commits[0].id })) }), true;
      if (what === 'like') {
        one.likers ??= new Set();
        if (request.method === 'POST' && !one.likers.has('me')) one.likers.add('me') && one.likes++;
        if (request.method === 'DELETE' && one.likers.delete('me')) one.likes--;
        return answer(200, request.method === 'GET' ? { liked: one.likers.has('me'), likes: one.likes, mayLike: this.mayLike } : {}), true;
      }
      if (what === 'likers') return page([...(one.likers ?? []), ...Array.from({ length: one.likes - (one.likers?.size ?? 0) }, (_, i) => `reader-${i}`)].map((user) => ({ user, fullname: user, avatarUrl: '/favicon.svg', type: 'user' })), 30), true;
      if (what === 'variants') return answer(200, treeOf(id)), true;
      const [encoded, ...path] = rest.split('/');
      const revision = decodeURIComponent(encoded);
      if (noRevision(revision)) return true;
      if (what === 'commits') return page(one.commits, Number(url.searchParams.get('limit') ?? 50), { 'X-Total-Count': String(one.commits.length) }), true;
      if (what === 'paths-info') {
        let text = '';
        for await (const part of request) text += part;
        const { paths, expand } = JSON.parse(text);
        return answer(200, paths.map((each) => entry(one, each, expand)).filter(Boolean)), true;
      }
      if (what === 'tree') {
        const folder = path.map(decodeURIComponent).join('/');
        const inside = folder ? `${folder}/` : '';
        const names = new Set(Object.keys(one.contents).filter((name) => name.startsWith(inside)).map((name) => inside + name.slice(inside.length).split('/')[0]));
        if (folder && !names.size) return refuse(404, `${id}: no folder ${folder}`, 'EntryNotFound'), true;
        return page([...names].sort().map((name) => entry(one, name, url.searchParams.get('expand') === 'true')), this.pageSize), true;
      }
      return false;
    },
  };
}

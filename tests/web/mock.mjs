// A server that speaks what Glassbox speaks to its pages, without a model: for building the pages and testing them.
// What it says is made up, by rule and always the same; how it says it is the real format.
//   node tests/web/mock.mjs [--port 8090] [--rate 60] [--dist web/dist]
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mockHub } from './mock_hub.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

// As content_security_policy() in web/embed/assets.cc says it.
const kPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const kTypes = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

const kModels = [
  { id: 'glassbox/prism', glassbox: { parameters: 3_670_016, dtype: 'bf16', vocabulary: 4096, context: 8192, memory_bytes: 19_300_000, has_chat_template: true, sampling: { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05, repetition_penalty: 1 }, sampling_from: { temperature: 'model', top_k: 'glassbox', top_p: 'model', min_p: 'glassbox', repetition_penalty: 'glassbox' } } },
  { id: 'glassbox/prism-narrow', glassbox: { parameters: 3_670_016, dtype: 'Q4_K_M', vocabulary: 4096, context: 256, memory_bytes: 4_100_000, has_chat_template: true } },
  { id: 'a-rather-long-organisation/SmolLM2-135M-Instruct-with-a-long-name', glassbox: { parameters: 134_515_008, dtype: 'bf16', context: 8192, memory_bytes: 412_000_000, has_chat_template: true } },
  { id: 'karpathy/stories260K', glassbox: { parameters: 260_032, dtype: 'f32', context: 512, memory_bytes: 2_900_000, has_chat_template: false } },
];

// A number in [0, 1) that depends on its arguments alone.
function chance(...of) {
  let hash = 2166136261;
  for (const c of of.join('\0')) hash = Math.imul(hash ^ c.charCodeAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 2246822519);
  hash = Math.imul(hash ^ (hash >>> 13), 3266489917);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

const kStory =
  'Once there was a fox called Rusa who lived beside an old lighthouse. Every evening she watched the great lamp turn, and wondered who it was looking for. ' +
  'One night the lamp stayed dark. Rusa climbed the winding stairs, step by step, and found the keeper asleep with his hand on the cold glass. ' +
  'She pulled the brass lever with her teeth. The light swept out over the water, and far away a small boat turned for home. ' +
  'In the morning the keeper left a warm fish on the lowest stair. From then on, nobody in the harbour believed the lighthouse was lonely.';

const kMarkdown = `Here is the idea in **three parts**, with \`inline code\` and a [link](https://example.org/page).

## 1. Code

\`\`\`python
def softmax(logits):
    top = max(logits)
    exps = [math.exp(x - top) for x in logits]  # never overflows
    return [e / sum(exps) for e in exps]
\`\`\`

## 2. A table

| word | p | bits |
|---|--:|--:|
| fox | 0.83 | 0.27 |
| cat | 0.10 | 3.32 |

## 3. Mathematics

The probability of token $i$ is

$$p_i = \\frac{e^{z_i}}{\\sum_j e^{z_j}}$$

- one point
- another point, with $x^2$
- <img src=x onerror="alert(1)"> is only text, and so is <b>this</b>

> A quotation to end with, café, naïve, 日本語 and 🦊.
`;

function reply(prompt) {
  const sum = prompt.match(/(\d+)\s*([+-])\s*(\d+)/);
  if (sum) {
    const [a, b] = [Number(sum[1]), Number(sum[3])];
    const result = sum[2] === '+' ? a + b : a - b;
    const [tens, ones] = [Math.floor(b / 10) * 10, b % 10];
    const first = sum[2] === '+' ? a + tens : a - tens;
    return `<think>\nTake ${b} as ${tens} and ${ones}. ${a} ${sum[2]} ${tens} is ${first}. ${first} ${sum[2]} ${ones} is ${result}.\n</think>\n\n${a} ${sum[2]} ${b} is **${result}**.`;
  }
  if (/markdown/i.test(prompt)) return kMarkdown;
  if (/long/i.test(prompt)) return Array.from({ length: 40 }, (_, i) => `Part ${i + 1}. ${kStory}`).join('\n\n');
  if (/story|fox/i.test(prompt)) return kStory;
  if (/boat/i.test(prompt)) return 'Mia has the boat. It is red, and Ben has the kite.';
  return 'I am a small model, made in the open: my text, my weights and my training are all there to be looked at. Ask me for a sum or a story.';
}

// Words with the space before them, line ends alone, long words in two; a fox in two halves, as byte-level tokenizers do.
function tokens(text) {
  const list = [];
  for (const piece of text.match(/\n+| ?[\p{L}\p{N}]+| ?[^\p{L}\p{N}\n ]|<\/?think>| /gu) ?? []) {
    const bytes = Buffer.from(piece);
    if (/🦊/u.test(piece)) list.push(bytes.subarray(0, bytes.length - 2), bytes.subarray(bytes.length - 2));
    else if (piece.length > 8) list.push(Buffer.from(piece.slice(0, 5)), Buffer.from(piece.slice(5)));
    else list.push(bytes);
  }
  // The marks of reasoning are one token each.
  const joined = [];
  for (let i = 0; i < list.length; i++) {
    const next = Buffer.concat(list.slice(i, i + 4)).toString();
    const mark = ['<think>', '</think>'].find((one) => next.startsWith(one));
    if (!mark) {
      joined.push(list[i]);
      continue;
    }
    let taken = 0;
    while (taken < mark.length) taken += list[i++].length;
    i--;
    joined.push(Buffer.from(mark));
  }
  return joined;
}

// A prompt as the template of these models writes it: in pieces, and which of them are the template's.
function rendered(messages, continues) {
  const pieces = [{ text: '<|begin|>', trusted: true }];
  for (const [i, message] of messages.entries()) {
    const open = continues && i === messages.length - 1;
    pieces.push({ text: `<|${message.role}|>`, trusted: true }, { text: message.content, trusted: false }, ...(open ? [] : [{ text: '<|end|>', trusted: true }]));
  }
  if (!continues) pieces.push({ text: '<|assistant|>', trusted: true });
  const joined = [];
  for (const piece of pieces) {
    if (joined.at(-1)?.trusted === piece.trusted) joined[joined.length - 1] = { ...piece, text: joined.at(-1).text + piece.text };
    else if (piece.text) joined.push(piece);
  }
  return { pieces: joined, count: pieces.reduce((sum, piece) => sum + (piece.trusted ? 1 : tokens(piece.text).length), 0) };
}

const kOthers = [' the', ' a', ' and', ' light', ' small', ' sea', ' old', ' night', ' she', ' it', ' door', ' home', ' quiet', ' lamp', ' red', ',', '.', ' never', ' then', ' one'];

function logprob(bytes, position, before, count) {
  const text = bytes.toString();
  const near = before.slice(-40);
  const u = chance(near, text, position);
  const certain = /^\d|^[.,\n]|think>|^ is$/.test(text.trim() || '\n');
  const p = certain ? 0.95 + 0.0499 * u : u < 0.5 ? 0.8 + 0.19 * u * 2 : u < 0.85 ? 0.3 + u * 0.5 : 0.03 + 0.2 * (u - 0.85) * 6;
  let rest = 1 - p;
  const others = kOthers.filter((other) => other !== text).sort((a, b) => chance(a, near, position) - chance(b, near, position));
  const top = [{ token: text, bytes: [...bytes], logprob: Math.log(p) }];
  for (const other of others.slice(0, count - 1)) {
    const share = rest * 0.55;
    rest -= share;
    top.push({ token: other, bytes: [...Buffer.from(other)], logprob: Math.log(share) });
  }
  top.sort((a, b) => b.logprob - a.logprob);
  return { token: text, bytes: [...bytes], logprob: Math.log(p), top_logprobs: top };
}

// A loss curve like those of small models: a steep start, a long tail, noise that shrinks.
function training(running) {
  const run = (name, steps, floor, status) => ({
    name,
    status,
    recipe: { model: { layers: 6, hidden: 192, heads: 6, vocabulary: 4096 }, data: 'models/prism/corpus', steps: 2000, batch_tokens: 8192, learning_rate: 0.003, warmup: 100, schedule: 'cosine', weight_decay: 0.1, seed: 1 },
    points: Array.from({ length: Math.floor(steps / 5) }, (_, i) => {
      const step = (i + 1) * 5;
      const loss = floor + 7 * Math.exp(-step / 120) + 1.4 * Math.exp(-step / 700) + (chance(name, step) - 0.5) * (0.5 * Math.exp(-step / 900) + 0.08);
      const rate = step < 100 ? (0.003 * step) / 100 : 0.00015 + 0.00285 * 0.5 * (1 + Math.cos((Math.PI * (step - 100)) / 1900));
      return { step, tokens: step * 8192, loss, learning_rate: rate, tokens_per_s: 9100 + 300 * chance(step, name), seconds: (step * 8192) / 9200 };
    }),
    evaluations: [500, 1000, 1500, 2000].filter((step) => step <= steps).map((step) => ({ step, validation_loss: floor + 1.4 * Math.exp(-step / 700), sums: Math.min(0.98, step / 1700), passages: Math.min(0.88, step / 2200) })),
  });
  return { runs: [run('prism', running, 0.62, running < 2000 ? 'running' : 'done'), run('prism-no-warmup', 2000, 0.81, 'done')] };
}

export async function startMock({ port = 0, dist = join(root, 'web/dist'), rate = 60, prefill = 30 } = {}) {
  const state = { rate, requests: [], prompts: [], hasPrompt: true, stopped: 0, breakAfter: 0, trainingStep: 1400, models: kModels, key: null, hub: mockHub() };
  const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

  function file(request, response) {
    const path = new URL(request.url, 'http://x').pathname;
    const ofHub = /^(\/datasets)?\/[\w.-]+(\/[\w.-]+(\/(tree|blob|commits)(\/.*)?)?)?$/.test(path) && request.headers.accept?.includes('text/html');
    const page = path === '/' || /^\/(chat|training)(\/|$)/.test(path) || ofHub;
    const name = join(dist, page ? 'index.html' : path);
    if (!resolve(name).startsWith(resolve(dist)) || !existsSync(name) || !statSync(name).isFile()) return json(response, 404, { error: { message: `nothing is at ${path}`, type: 'not_found', param: null, code: 'not_found' } });
    response.writeHead(200, { 'Content-Type': kTypes[extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': kPolicy, 'X-Content-Type-Options': 'nosniff' });
    createReadStream(name).pipe(response);
  }

  function json(response, status, body) {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  async function complete(body, chat, response) {
    const refuse = (message, code, param = null) => json(response, 400, { error: { message, type: 'invalid_request_error', param, code } });
    const known = ['model', 'messages', 'prompt', 'stream', 'stream_options', 'logprobs', 'top_logprobs', 'temperature', 'top_p', 'top_k', 'min_p', 'seed', 'max_completion_tokens', 'max_tokens', 'repetition_penalty', 'continue_final_message', 'add_generation_prompt'];
    const unknown = Object.keys(body).find((key) => !known.includes(key));
    if (unknown) return refuse(`${unknown}: this server knows no such field`, 'unknown_parameter', unknown);
    const model = state.models.find((one) => one.id === body.model);
    if (!model) return refuse(`model ${body.model} is not loaded`, 'model_not_found', 'model');

    const last = chat ? body.messages.at(-1) : null;
    const continued = chat && body.continue_final_message ? last.content : null;
    const prompt = chat ? body.messages.filter((message) => message.role === 'user').at(-1).content : body.prompt;
    if (/refuse me/.test(prompt)) return refuse('messages[0].content: expected something else, got this', 'invalid_value', 'messages');
    const context = model.glassbox.context;
    const promptTokens = chat ? rendered(body.messages, continued !== null).count : Math.max(1, tokens(prompt).length);
    if (promptTokens >= context) return refuse(`prompt: ${promptTokens} tokens leave no room for an answer in a context of ${context}`, 'context_length_exceeded', 'prompt');

    let text = chat ? reply(prompt) : ' who lived in a tall tree. ' + kStory;
    if (continued !== null) text = text.startsWith(continued) ? text.slice(continued.length) : ' lamp was lit again, and the sea was calm. So the night passed, and all was well.';
    const list = tokens(text).slice(0, Math.min(context - promptTokens, body.max_completion_tokens ?? body.max_tokens ?? (chat ? Infinity : 16)));
    const seed = body.seed ?? Math.floor(chance(prompt, state.requests.length) * 2 ** 31);
    const id = 'chatcmpl-mock';
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.on('close', () => response.writableFinished || state.stopped++);
    const send = (data) => response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    const object = chat ? 'chat.completion.chunk' : 'text_completion';
    const chunk = (choice, more = {}) => send({ id, object, created: 1, model: model.id, choices: choice ? [{ index: 0, finish_reason: null, logprobs: null, ...choice }] : [], ...more });

    await sleep(prefill);
    if (chat) chunk({ delta: { role: 'assistant', content: '' } });
    const start = Date.now();
    let before = prompt + (continued ?? '');
    let thinking = continued !== null && continued.startsWith('<think>') && !continued.includes('</think>');
    let pending = Buffer.alloc(0); // bytes of a character that is not whole yet
    let silent = false; // the space after the reasoning belongs to nothing
    for (let i = 0; i < list.length; i++) {
      const due = start + (i * 1000) / state.rate;
      if (due > Date.now()) await sleep(due - Date.now());
      else if (i % 16 === 0) await new Promise(setImmediate); // others of this process have their turn
      if (response.destroyed) return;
      if (state.breakAfter && i === state.breakAfter) return response.destroy();
      const piece = list[i].toString();
      const entry = logprob(list[i], i, before, chat ? (body.top_logprobs ?? 0) : 5);
      before += piece;
      if (!chat) {
        const text = piece;
        chunk({ text, logprobs: { tokens: [text], token_logprobs: [entry.logprob], top_logprobs: [Object.fromEntries(entry.top_logprobs.map((one) => [one.token, one.logprob]))], text_offset: [0] } });
        continue;
      }
      const delta = {};
      pending = Buffer.concat([pending, list[i]]);
      const whole = pending.toString();
      if (whole.endsWith('\ufffd')) {
        // wait for the rest of the character
      } else {
        pending = Buffer.alloc(0);
        if (whole === '<think>') thinking = true;
        else if (whole === '</think>') [thinking, silent] = [false, true];
        else if (thinking) delta.reasoning_content = whole;
        else if (!(silent && whole.trim() === '')) [delta.content, silent] = [whole, false];
      }
      chunk({ delta, ...(body.logprobs && { logprobs: { content: [entry] } }) });
    }
    const shorter = list.length < tokens(text).length;
    chunk(chat ? { delta: {}, finish_reason: shorter ? 'length' : 'stop' } : { text: '', finish_reason: shorter ? 'length' : 'stop' });
    const seconds = Math.max(0.001, (Date.now() - start) / 1000);
    if (body.stream_options?.include_usage) chunk(null, { usage: { prompt_tokens: promptTokens, completion_tokens: list.length, total_tokens: promptTokens + list.length }, timings: { prefill_tokens_per_s: 812.4, decode_tokens_per_s: list.length / seconds }, seed });
    send('[DONE]');
    response.end();
  }

  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    if (path === '/health') return json(response, 200, { status: 'ok' });
    if (state.key && /^\/(v1|api)\//.test(path) && request.headers.authorization !== `Bearer ${state.key}`) return json(response, 401, { error: { message: 'this server asks for a key: Authorization: Bearer KEY', type: 'invalid_request_error', param: null, code: 'invalid_api_key' } });
    if (path === '/v1/models') return json(response, 200, { object: 'list', data: state.models.map((model) => ({ object: 'model', created: 1, owned_by: 'glassbox', ...model })) });
    if (path === '/api/training') return json(response, 200, training((state.trainingStep = Math.min(2000, state.trainingStep + 10))));
    if (path === '/api/prompt' && state.hasPrompt) {
      let text = '';
      for await (const part of request) text += part;
      const body = JSON.parse(text);
      state.prompts.push(body);
      const { pieces, count } = rendered(body.messages, body.continue_final_message);
      return json(response, 200, { model: body.model, tokens: count, prompt: pieces });
    }
    if (state.hub && (await state.hub.handle(request, response))) return;
    if (/^\/(v1|api)\//.test(path) && !path.endsWith('/completions')) return json(response, 404, { error: { message: `${request.method} ${path}: no such path`, type: 'invalid_request_error', param: null, code: 'unknown_path' } });
    if (path === '/v1/chat/completions' || path === '/v1/completions') {
      let text = '';
      for await (const part of request) text += part;
      const body = JSON.parse(text);
      state.requests.push(body);
      return complete(body, path.includes('chat'), response);
    }
    file(request, response);
  });
  let at = port;
  const listen = () => new Promise((ready) => server.listen(at, '127.0.0.1', () => ready((at = server.address().port))));
  await listen();
  return {
    url: `http://127.0.0.1:${at}`,
    state,
    start: listen,
    stop: () => new Promise((done) => (server.close(done), server.closeAllConnections())),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, usual) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : usual);
  const mock = await startMock({ port: Number(option('--port', 8090)), rate: Number(option('--rate', 60)), dist: resolve(option('--dist', join(root, 'web/dist'))) });
  console.log(`mock server at ${mock.url}`);
}

// The conversations of this browser, and the answers that are being streamed into them.
import { ApiError, stream } from '../api/client';
import type { Chunk } from '../api/types';
import { address } from '../shell/address.svelte';
import { server } from '../shell/server.svelte';
import { shell } from '../shell/shell.svelte';
import {
  add, apiMessages, before, branchFrom, knownTokens, leaveOutOldest, lettersPerToken, newConversation, path, rawPrompt, rawText, readOf, replace, splitThinking,
  type Branch, type Conversation, type Message, type Settings,
} from './conversation';
import { sentencesAfter } from './sentences';
import { requestSettings, roomFor } from './settings';
import { ConversationStorage, ForgetfulStorage, type Summary } from './storage';
import { tokenOf, tokensOfLegacy, type Alternative } from './tokens';

const kAlternatives = 8;
const kLegacyAlternatives = 5; // the most /v1/completions gives
const kKept = 0.6; // of the context, that the prompt may fill when the oldest turns are left out: the rest is for answers
const kSaveEvery = 1000; // milliseconds, while an answer comes

function browserStorage(): Storage {
  try {
    localStorage.setItem('glassbox.try', '1');
    localStorage.removeItem('glassbox.try');
    return localStorage;
  } catch {
    return new ForgetfulStorage();
  }
}

// A model without a chat template continues text.
export const isRaw = (model: string | null | undefined) => server.model(model ?? null)?.glassbox?.has_chat_template === false;

export const contextOf = (model: string | null | undefined) => server.model(model ?? null)?.glassbox?.context;

// An answer on its way.
export interface Live {
  message: string;
  asked: number; // performance.now()
  first: number; // when the first token came, 0 before
  tokens: number; // that came in this stream
  thinking: boolean;
}

class Chats {
  storage = new ConversationStorage(browserStorage());
  list = $state.raw<Summary[]>(this.storage.list());
  notice = $state('');
  live = $state.raw<Record<string, Live>>({}); // by conversation
  #open = $state.raw<Record<string, Conversation>>({});
  #stops = new Map<string, AbortController>();
  #saves = new Map<string, number>();

  constructor() {
    // A page that goes away saves what had come; a phone may never say more than "hidden".
    addEventListener('pagehide', () => this.#saveAll());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && this.#saveAll());
    addEventListener('storage', (event) => event.key === 'glassbox.conversations' && (this.list = this.storage.list()));
  }

  // Null where this browser has no such conversation.
  get(id: string): Conversation | null {
    return this.#open[id] ?? null;
  }

  // Reads it from storage. Not in get(): a view that reads must not change what it reads.
  load(id: string): boolean {
    if (this.#open[id]) return true;
    const stored = this.storage.load(id);
    if (stored) this.#open = { ...this.#open, [id]: stored };
    return stored !== null;
  }

  create(model: string | null, settings: Settings): Conversation {
    const c = newConversation(model, settings);
    this.#open = { ...this.#open, [c.id]: c };
    return c;
  }

  put(c: Conversation, save: 'now' | 'soon' = 'now'): void {
    this.#open = { ...this.#open, [c.id]: c };
    if (save === 'now') this.#save(c.id);
    else if (!this.#saves.has(c.id)) this.#saves.set(c.id, window.setTimeout(() => this.#save(c.id), kSaveEvery));
  }

  delete(id: string): void {
    this.stop(id);
    clearTimeout(this.#saves.get(id));
    this.#saves.delete(id);
    const { [id]: _, ...others } = this.#open;
    this.#open = others;
    this.storage.delete(id);
    this.list = this.storage.list();
  }

  #save(id: string): void {
    clearTimeout(this.#saves.get(id));
    this.#saves.delete(id);
    const c = this.#open[id];
    if (!c || !Object.keys(c.messages).length) return;
    this.notice = this.storage.save(c) ?? '';
    this.list = this.storage.list();
  }

  #saveAll(): void {
    for (const id of [...this.#saves.keys(), ...Object.keys(this.live)]) this.#save(id);
  }

  // Asks: adds a question after `parent` (the last message shown, unless said otherwise) and streams its answer.
  ask(id: string, text: string, parent: string | null | undefined = undefined): void {
    let c = this.get(id)!;
    const after = parent === undefined ? (path(c).at(-1)?.id ?? null) : parent;
    const [next, question] = add(c, { parent: after, role: 'user', text });
    this.put(next);
    this.answer(id, question.id);
  }

  // Answers a question, once more if it has answers already; `branch` is how the answer begins.
  answer(id: string, question: string, branch?: Branch & { of: string; at: number }): void {
    this.stop(id);
    const c = this.get(id)!;
    const start = branch ? splitThinking(branch.raw) : { reasoning: '', text: '', open: false };
    const [next, message] = add(c, {
      parent: question,
      role: 'assistant',
      text: isRaw(c.model) && branch ? branch.raw : start.text,
      reasoning: isRaw(c.model) ? '' : start.reasoning,
      tokens: branch?.tokens ?? [],
      status: 'streaming',
      model: c.model ?? undefined,
      settings: c.settings,
      leftOut: c.leftOut.length ? c.leftOut : undefined,
      fork: branch && { of: branch.of, at: branch.at },
    });
    this.put(next);
    void this.#stream(id, message, branch?.raw ?? null);
  }

  // Branches from token `at` of an answer, with another in its place. False where no text can be continued from there.
  branch(id: string, message: Message, at: number, instead: Alternative): boolean {
    const branch = branchFrom(message, at, instead);
    if (!branch || !message.parent) return false;
    this.answer(id, message.parent, { ...branch, of: message.id, at });
    return true;
  }

  // Goes on with an answer that was stopped, interrupted or cut: by the model that wrote it, or where that is not here,
  // by the one that is, in an answer of its own that says so.
  resume(id: string, message: Message): void {
    this.stop(id);
    const c = this.get(id)!;
    const raw = rawText(message);
    if (message.model !== c.model && !server.model(message.model ?? null) && message.parent) {
      return this.answer(id, message.parent, { raw, tokens: message.tokens, of: message.id, at: message.tokens.length });
    }
    const leftOut = c.leftOut.length ? c.leftOut : undefined;
    const usage = message.leftOut?.join() === leftOut?.join() ? message.usage : undefined;
    const again: Message = { ...message, status: 'streaming', error: undefined, finish: undefined, leftOut, usage };
    this.put(replace(c, again));
    void this.#stream(id, again, raw === '' ? null : raw);
  }

  // Leaves out the oldest turns, so that there is room again. False where there is none to leave out.
  leaveOut(id: string): boolean {
    const c = this.get(id)!;
    const per = lettersPerToken(c);
    const room = (contextOf(c.model) ?? Infinity) * kKept - (c.settings.system?.length ?? 0) / per;
    const next = leaveOutOldest(c, room, (message) => message.text.length / per);
    if (next) this.put(next);
    return next !== null;
  }

  stop(id: string): void {
    this.#stops.get(id)?.abort();
  }

  #request(c: Conversation, message: Message, begun: string | null): [string, object] {
    const earlier = before(c, message.id);
    const asked = readOf(earlier, c.leftOut);
    const model = message.model ?? c.model;
    const common = { model, stream: true, stream_options: { include_usage: true }, ...requestSettings(c.settings) };
    if (isRaw(model)) {
      // Left out, max_tokens would be 16 here: what there is room for is asked for instead.
      const { max_completion_tokens, ...sampling } = common as typeof common & { max_completion_tokens?: number };
      return ['/v1/completions', {
        ...sampling,
        max_tokens: max_completion_tokens ?? roomFor(contextOf(model), knownTokens([...earlier, message], c.leftOut, model)),
        prompt: rawPrompt(asked) + (begun ?? ''),
        logprobs: kLegacyAlternatives,
      }];
    }
    const messages = apiMessages(asked, c.settings.system);
    if (begun === null) return ['/v1/chat/completions', { ...common, messages, logprobs: true, top_logprobs: kAlternatives }];
    return ['/v1/chat/completions', {
      ...common,
      messages: [...messages, { role: 'assistant', content: begun }],
      logprobs: true,
      top_logprobs: kAlternatives,
      continue_final_message: true,
      add_generation_prompt: false,
    }];
  }

  // Streams into `message` until it ends, fails or is stopped. However many chunks come, the page changes once a frame.
  async #stream(id: string, message: Message, begun: string | null): Promise<void> {
    const stop = new AbortController();
    this.#stops.set(id, stop);
    const [path, body] = this.#request(this.get(id)!, message, begun);
    const now = { ...message, tokens: [...message.tokens] };
    const live: Live = { message: message.id, asked: performance.now(), first: 0, tokens: 0, thinking: begun !== null && splitThinking(begun).open };
    let thinkingSince = live.thinking ? live.asked : 0;
    let frame = 0;
    let told = now.text.length; // of the text, by the sentence, to screen readers
    const tell = (ended: boolean) => {
      if (address.thing !== id) return;
      const { sentences, next } = sentencesAfter(now.text, told, ended);
      sentences.forEach((sentence) => shell.announce(sentence));
      told = next;
    };
    shell.announce('Answering');

    const show = () => {
      frame = 0;
      tell(false);
      const c = this.get(id);
      if (!c?.messages[message.id]) return; // deleted meanwhile
      this.live = { ...this.live, [id]: { ...live } };
      this.put(replace(c, { ...now, tokens: now.tokens.slice() }), 'soon');
    };
    // A hidden page gets no frames: it is shown a few times a second, for its title and for what is saved.
    const showSoon = () => (frame ||= document.hidden ? window.setTimeout(show, 250) : requestAnimationFrame(show));
    show();

    const take = (chunk: Chunk) => {
      const choice = chunk.choices?.[0];
      const delta = choice?.delta;
      const said = (delta?.content ?? '') + (choice?.text ?? '');
      if (delta?.reasoning_content) {
        if (!live.thinking) {
          live.thinking = true;
          thinkingSince = performance.now();
        }
        now.reasoning += delta.reasoning_content;
      }
      if (said) {
        if (live.thinking) {
          live.thinking = false;
          now.thinking_ms = (now.thinking_ms ?? 0) + performance.now() - thinkingSince;
        }
        // The space after the reasoning is part of neither.
        now.text = now.reasoning && !now.text ? said.trimStart() : now.text + said;
      }
      const logprobs = choice?.logprobs;
      const tokens = logprobs?.content?.map(tokenOf) ?? (logprobs?.tokens ? tokensOfLegacy(logprobs as Parameters<typeof tokensOfLegacy>[0]) : []);
      now.tokens.push(...tokens);
      live.tokens += tokens.length || (said || delta?.reasoning_content ? 1 : 0);
      if (live.tokens && !live.first) live.first = performance.now();
      if (choice?.finish_reason) now.finish = choice.finish_reason;
      if (chunk.usage) now.usage = chunk.usage;
      if (chunk.timings) now.timings = chunk.timings;
      if (chunk.seed !== undefined) now.seed = chunk.seed;
    };

    try {
      for await (const chunk of stream(path, body, stop.signal)) {
        take(chunk);
        showSoon();
      }
      now.status = 'done';
      server.back();
    } catch (error) {
      if (stop.signal.aborted) {
        now.status = 'stopped';
      } else {
        const api = error instanceof ApiError ? error : new ApiError('cut', String((error as Error).message ?? error));
        now.status = api.trouble === 'cut' ? 'interrupted' : 'failed';
        now.error = { message: api.message, code: api.code };
        if (api.trouble !== 'refused') void server.look();
      }
    } finally {
      if (live.thinking) now.thinking_ms = (now.thinking_ms ?? 0) + performance.now() - thinkingSince;
      cancelAnimationFrame(frame);
      clearTimeout(frame);
      const { [id]: mine, ...others } = this.live;
      if (this.#stops.get(id) === stop) {
        this.#stops.delete(id);
        if (mine) this.live = others;
      }
      tell(true);
      const c = this.get(id);
      if (c?.messages[message.id]) this.put(replace(c, now));
    }
  }
}

export const chats = new Chats();

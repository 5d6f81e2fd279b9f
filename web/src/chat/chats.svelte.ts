// The conversations of this browser, and the answers that are being streamed into them.
import { ApiError, stream } from '../api/client';
import type { Chunk } from '../api/types';
import { address } from '../shell/address.svelte';
import { server } from '../shell/server.svelte';
import { shell } from '../shell/shell.svelte';
import {
  add, apiMessages, before, begunWith, branchFrom, knownTokens, leaveOutOldest, lettersPerToken, newConversation, path, rawPrompt, rawText, readOf, replace, splitThinking,
  type Branch, type Conversation, type Message, type Settings,
} from './conversation';
import { merge } from './records';
import { sentencesAfter } from './sentences';
import { requestSettings, roomFor } from './settings';
import { exportText, importText } from './exchange';
import { kRecord, openShelf, smallStorage, type Summary } from './shelf';
import { ConversationStorage, Drafts, leaveBehind } from './storage';
import { tokenOf, tokensOfLegacy, type Alternative } from './tokens';

const kAlternatives = 8;
const kLegacyAlternatives = 5; // the most /v1/completions gives
const kKept = 0.6; // of the context, that the prompt may fill when the oldest turns are left out: the rest is for answers
const kSaveEvery = 1000; // milliseconds, while an answer comes

const kQuiet = 4000; // milliseconds after which an answer that another tab streams is held to have ended

// What tabs tell each other.
interface News {
  id: string;
  what: 'saved' | 'deleted' | 'imported';
  answer?: string; // that is being streamed
}

const kForgets = 'This browser keeps nothing here: conversations last as long as this page. Export those you want to keep.';

// A model without a chat template continues text.
export const isRaw = (model: string | null | undefined) => server.model(model ?? null)?.glassbox?.has_chat_template === false;

export const contextOf = (model: string | null | undefined) => server.model(model ?? null)?.glassbox?.context;

// What the model read before an answer: the request that renders it, or the text itself where no template does.
export function promptOf(c: Conversation, message: Message): { body?: object; text?: string } {
  const model = message.model ?? c.model;
  const asked = readOf(before(c, message.id), message.leftOut ?? []);
  const begun = begunWith(message);
  if (isRaw(model)) return { text: rawPrompt(asked) + (begun ?? '') };
  const messages = apiMessages(asked, (message.settings ?? c.settings).system);
  if (begun === null) return { body: { model, messages } };
  return { body: { model, messages: [...messages, { role: 'assistant', content: begun }], continue_final_message: true, add_generation_prompt: false } };
}

// An answer on its way.
export interface Live {
  message: string;
  asked: number; // performance.now()
  first: number; // when the first token came, 0 before
  tokens: number; // that came in this stream
  thinking: boolean;
}

class Chats {
  readonly #small = smallStorage();
  readonly drafts = new Drafts(this.#small);
  readonly #storage: Promise<ConversationStorage>;
  readonly #channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('glassbox.conversations');

  list = $state.raw<Summary[]>([]);
  notice = $state('');
  live = $state.raw<Record<string, Live>>({}); // by conversation
  elsewhere = $state.raw<Record<string, string>>({}); // the answer of a conversation that another tab streams
  #open = $state.raw<Record<string, Conversation>>({});
  #missing = $state.raw<Record<string, boolean>>({});
  #stops = new Map<string, AbortController>();
  #saves = new Map<string, number>();
  #quiet = new Map<string, number>();

  constructor() {
    this.#storage = this.#start();
    // A page that goes away saves what had come; a phone may never say more than "hidden".
    addEventListener('pagehide', () => this.#unsaved().forEach((id) => this.#open[id] && leaveBehind(this.#small, this.#open[id])));
    document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && this.#unsaved().forEach((id) => void this.#save(id)));
    addEventListener('storage', (event) => event.key?.startsWith(kRecord) && event.newValue && void this.#refresh(true));
    this.#channel?.addEventListener('message', (event: MessageEvent<News>) => void this.#hear(event.data));
  }

  async #start(): Promise<ConversationStorage> {
    const storage = new ConversationStorage(await openShelf(this.#small), this.#small);
    if (storage.forgets) this.notice = kForgets;
    try {
      await storage.takeIn();
      this.list = await storage.list();
    } catch (error) {
      this.notice = `The conversations could not be read: ${(error as Error).message}`;
    }
    return storage;
  }

  // Null where this browser has no such conversation, or it is not loaded.
  get(id: string): Conversation | null {
    return this.#open[id] ?? null;
  }

  // Looked for, and not here.
  isMissing(id: string): boolean {
    return this.#missing[id] ?? false;
  }

  // Reads it from storage. Not in get(): a view that reads must not change what it reads.
  async load(id: string): Promise<boolean> {
    if (this.#open[id]) return true;
    const storage = await this.#storage;
    const stored = await storage.load(id).catch(() => null);
    if (stored && !this.#open[id]) this.#open = { ...this.#open, [id]: stored };
    this.#missing = { ...this.#missing, [id]: !this.#open[id] };
    return !this.#missing[id];
  }

  create(model: string | null, settings: Settings): Conversation {
    const c = newConversation(model, settings);
    this.#open = { ...this.#open, [c.id]: c };
    return c;
  }

  // `anew`: one that was deleted is back.
  put(c: Conversation, save: 'now' | 'soon' | 'anew' = 'now'): void {
    this.#open = { ...this.#open, [c.id]: c };
    if (save !== 'soon') void this.#save(c.id, save === 'anew');
    else if (!this.#saves.has(c.id)) this.#saves.set(c.id, window.setTimeout(() => void this.#save(c.id), kSaveEvery));
  }

  async delete(id: string): Promise<void> {
    this.#drop(id);
    this.list = this.list.filter((one) => one.id !== id);
    await (await this.#storage).delete(id);
    this.#tell({ id, what: 'deleted' });
  }

  // All conversations as a file's text, or those of these ids.
  async export(ids: readonly string[] = this.list.map((one) => one.id)): Promise<string> {
    const storage = await this.#storage;
    const found = await Promise.all(ids.map(async (id) => this.#open[id] ?? (await storage.load(id))));
    return exportText(found.filter((c) => c !== null));
  }

  // Takes in the conversations of such a file, and returns how many there are and how many there was room for; what is here
  // already stays as it is. Throws BadRecord before anything is kept.
  async import(text: string, progress: (kept: number, all: number) => void = () => {}): Promise<{ all: number; kept: number }> {
    const from = importText(text);
    const storage = await this.#storage;
    let kept = 0;
    for (const c of from) {
      if (!(await storage.adopt(c))) break;
      await this.#reload(c.id);
      progress(++kept, from.length);
    }
    this.#tell({ id: '', what: 'imported' });
    await this.#refresh();
    return { all: from.length, kept };
  }

  async textOf(summary: Summary): Promise<string> {
    return (await this.#storage).textOf(summary);
  }

  async #save(id: string, anew = false): Promise<void> {
    clearTimeout(this.#saves.get(id));
    this.#saves.delete(id);
    const c = this.#open[id];
    if (!c || !Object.keys(c.messages).length) return;
    this.#missing = { ...this.#missing, [id]: false };
    this.#enlist(c);
    const storage = await this.#storage;
    try {
      const { stored, notice } = await storage.save(c, anew);
      this.notice = notice ?? (storage.forgets ? kForgets : '');
      if (stored) {
        this.#take(stored);
        this.#tell({ id, what: 'saved', answer: this.live[id]?.message });
      } else if (!notice) {
        this.#drop(id); // deleted in another tab
        this.#missing = { ...this.#missing, [id]: true };
        this.list = this.list.filter((one) => one.id !== id);
      }
    } catch (error) {
      this.notice = `This conversation could not be saved: ${(error as Error).message}`;
    }
  }

  #enlist({ id, title, updated }: Conversation): void {
    this.list = [{ id, title, updated }, ...this.list.filter((one) => one.id !== id)].sort((a, b) => b.updated - a.updated);
  }

  #drop(id: string): void {
    this.stop(id);
    clearTimeout(this.#saves.get(id));
    this.#saves.delete(id);
    const { [id]: _, ...others } = this.#open;
    this.#open = others;
  }

  // What another tab added to an open conversation, or changed later, is shown here too.
  #take(stored: Conversation): void {
    const mine = this.#open[stored.id];
    const brings = (message: Message) => !mine?.messages[message.id] || mine.messages[message.id]!.changed < message.changed;
    if (mine && Object.values(stored.messages).some(brings)) this.#open = { ...this.#open, [stored.id]: merge(mine, stored) };
  }

  async #reload(id: string): Promise<void> {
    if (!this.#open[id] && !this.#missing[id]) return;
    const stored = await (await this.#storage).load(id).catch(() => null);
    if (!stored) return;
    if (this.#open[id]) this.#take(stored);
    else this.#open = { ...this.#open, [id]: stored };
    this.#missing = { ...this.#missing, [id]: false };
  }

  async #refresh(takeIn = false): Promise<void> {
    const storage = await this.#storage;
    if (takeIn) await storage.takeIn();
    this.list = await storage.list();
    for (const id of takeIn ? Object.keys(this.#open) : []) await this.#reload(id);
  }

  #tell(news: News): void {
    this.#channel?.postMessage(news);
  }

  async #hear({ id, what, answer }: News): Promise<void> {
    clearTimeout(this.#quiet.get(id));
    const ended = () => {
      const { [id]: _, ...others } = this.elsewhere;
      this.elsewhere = others;
    };
    if (what === 'saved') await this.#reload(id);
    else if (what === 'imported') for (const one of Object.keys(this.#open)) await this.#reload(one);
    else if (this.#open[id] && !this.live[id]) {
      this.#drop(id);
      this.#missing = { ...this.#missing, [id]: true };
    }
    if (answer) {
      this.elsewhere = { ...this.elsewhere, [id]: answer };
      this.#quiet.set(id, window.setTimeout(ended, kQuiet));
    } else if (this.elsewhere[id]) {
      ended();
    }
    await this.#refresh();
  }

  // Conversations of which something may not be stored yet.
  #unsaved(): string[] {
    return [...new Set([...this.#saves.keys(), ...Object.keys(this.live)])];
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

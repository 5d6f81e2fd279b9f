// Whether the server is there, and which models it has. One object for the whole page.
import { ApiError, fetchModels, isHealthy, setKey } from '../api/client';
import type { ModelInfo } from '../api/types';

class Server {
  models = $state.raw<ModelInfo[]>([]);
  state = $state<'loading' | 'ready' | 'failed'>('loading'); // of the list of models
  reason = $state(''); // why it failed
  asksForKey = $state(false);
  away = $state(false); // nobody answers
  retryAt = $state(0); // when we look again, milliseconds since 1970
  #attempt = 0;
  #timer = 0;

  start(): void {
    this.load();
    addEventListener('online', () => this.look());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.look());
    this.#later(10_000);
  }

  model(id: string | null): ModelInfo | undefined {
    return this.models.find((model) => model.id === id);
  }

  async load(): Promise<void> {
    if (this.state === 'failed') this.state = 'loading';
    try {
      this.models = await fetchModels();
      this.state = 'ready';
      this.asksForKey = false;
      this.back();
    } catch (error) {
      const api = error as ApiError;
      if (api.trouble === 'unreachable') this.gone();
      this.asksForKey = api.status === 401;
      if (this.state !== 'ready' || this.asksForKey) {
        this.state = 'failed';
        this.reason = api.message;
      }
    }
  }

  useKey(key: string): Promise<void> {
    setKey(key);
    return this.load();
  }

  // Somebody noticed that nobody answers.
  gone(): void {
    this.away = true;
    const seconds = Math.min(15, 2 ** this.#attempt++);
    this.retryAt = Date.now() + seconds * 1000;
    this.#later(seconds * 1000);
  }

  back(): void {
    this.away = false;
    this.#attempt = 0;
  }

  // Is it there? Asked every ten seconds while the page is seen, sooner while it is away.
  async look(): Promise<void> {
    if (document.visibilityState === 'hidden') return this.#later(10_000);
    if (await isHealthy()) {
      const wasAway = this.away;
      this.back();
      if (wasAway || this.state !== 'ready') await this.load();
      this.#later(10_000);
    } else {
      this.gone();
    }
  }

  #later(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.look(), milliseconds);
  }
}

export const server = new Server();

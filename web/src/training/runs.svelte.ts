// Training runs as the server knows them, asked for again while one is running.
import { ApiError, fetchTraining } from '../api/client';
import type { TrainingRun } from '../api/types';
import { server } from '../shell/server.svelte';

const kWhileRunning = 2_000;
const kOtherwise = 15_000;

class Runs {
  list = $state.raw<TrainingRun[]>([]);
  state = $state<'loading' | 'ready' | 'failed'>('loading');
  reason = $state('');
  #timer = 0;

  // Watches for as long as the page is shown; returns how to stop.
  watch(): () => void {
    let over = false;
    const look = async () => {
      clearTimeout(this.#timer);
      const began = performance.now();
      if (document.visibilityState === 'visible') await this.load();
      await new Promise(requestAnimationFrame); // shown: a machine that is busy training is asked less often
      const took = performance.now() - began;
      if (!over) this.#timer = window.setTimeout(look, this.list.some((run) => run.status === 'running') ? Math.max(kWhileRunning, 10 * took) : kOtherwise);
    };
    const seen = () => document.visibilityState === 'visible' && void look();
    document.addEventListener('visibilitychange', seen);
    void look();
    return () => {
      over = true;
      clearTimeout(this.#timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }

  async load(): Promise<void> {
    try {
      this.list = await fetchTraining();
      this.state = 'ready';
    } catch (error) {
      const api = error as ApiError;
      if (api.trouble === 'unreachable') server.gone();
      if (this.state === 'ready') return; // what is known stays
      this.state = 'failed';
      this.reason = api.message;
    }
  }
}

export const runs = new Runs();

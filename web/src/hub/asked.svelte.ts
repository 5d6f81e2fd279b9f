// Something asked of the server: not yet there, there, or why not. A later question lets go of the earlier one.
import { ApiError } from '../api/client';
import { server } from '../shell/server.svelte';

type Make<T> = (signal: AbortSignal, tell: (part: number) => void) => Promise<T>;

export class Asked<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  asking = $state(false);
  part = $state<number | null>(null); // how much of it is here, of one, where that is told
  #going: AbortController | null = null;
  #make: Make<T> | null = null;

  // What is shown stays until the answer is there, unless `afresh`: then it is another thing's.
  async ask(make: Make<T>, afresh = true): Promise<void> {
    this.#going?.abort();
    const going = (this.#going = new AbortController());
    this.#make = make;
    this.asking = true;
    this.part = null;
    this.error = null;
    if (afresh) this.value = null;
    try {
      const value = await make(going.signal, (part) => {
        if (!going.signal.aborted) this.part = part;
      });
      if (going.signal.aborted) return;
      this.value = value;
    } catch (error) {
      if (going.signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError('refused', (error as Error).message);
      if (this.error.trouble === 'unreachable') server.gone();
    }
    this.asking = false;
  }

  again(): void {
    if (this.#make) void this.ask(this.#make, this.value === null);
  }

  stop(): void {
    this.#going?.abort();
  }
}

// Which token of which answer is looked at: the one pointed at, else the one selected, which the address holds.
import { address } from '../shell/address.svelte';
import type { Message } from './conversation';

export interface Place {
  message: string;
  index: number;
}

class Selection {
  pointed = $state.raw<Place | null>(null);

  get selected(): Place | null {
    const match = address.get('at')?.match(/^([a-z0-9]+)\.(\d+)$/);
    return match ? { message: match[1]!, index: Number(match[2]) } : null;
  }

  // Of `messages`, those on screen: a token of any other is not shown.
  shownIn(messages: readonly Message[]): Place | null {
    const holds = (place: Place | null) => place !== null && (messages.find((message) => message.id === place.message)?.tokens.length ?? 0) > place.index;
    return [this.pointed, this.selected].find(holds) ?? null;
  }

  // Lets go of what is not on screen any more, in the address too.
  keepTo(messages: readonly Message[]): void {
    const isGone = (place: Place | null) => {
      const message = place && messages.find((one) => one.id === place.message);
      // While an answer comes its tokens are still to come.
      return place !== null && (!message || (message.status !== 'streaming' && place.index >= message.tokens.length));
    };
    if (isGone(this.pointed)) this.pointed = null;
    if (address.get('at') && (!this.selected || isGone(this.selected))) address.set({ at: null });
  }

  point(message: string, index: number | null): void {
    this.pointed = index === null ? null : { message, index };
  }

  select(message: string, index: number): void {
    address.set({ at: `${message}.${index}` });
  }
}

export const selection = new Selection();

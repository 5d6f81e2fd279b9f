// Which token of which answer is looked at: the one pointed at, else the one selected, which the address holds.
import { address } from '../shell/address.svelte';

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

  get shown(): Place | null {
    return this.pointed ?? this.selected;
  }

  point(message: string, index: number | null): void {
    this.pointed = index === null ? null : { message, index };
  }

  select(message: string, index: number): void {
    address.set({ at: `${message}.${index}` });
  }
}

export const selection = new Selection();

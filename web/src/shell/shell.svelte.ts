// What the shell itself has open.
class Shell {
  drawer = $state(false); // the rail, on a phone
  palette = $state<'commands' | 'search' | null>(null);
  keys = $state(false);
  said = $state.raw<{ id: number; text: string }[]>([]); // for screen readers, the last sentences
  #next = 0;

  announce(text: string): void {
    this.said = [...this.said.slice(-40), { id: this.#next++, text }];
  }
}

export const shell = new Shell();

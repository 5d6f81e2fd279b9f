// What can be done, in one list: the palette (Ctrl-K) shows it, keys run it, the sheet of keys (?) is made from it.

export interface Command {
  title: string;
  group: string;
  detail?: string; // a second line
  keys?: string; // "Ctrl+K", "/", "Escape", "ArrowUp"
  hidden?: boolean; // in the sheet of keys and not in the palette
  when?: () => boolean;
  run: () => void;
}

// What a place has that can be found by words, for the search (/): each as the command that shows it.
export type Finder = (words: string[], limit: number) => Promise<Command[]>;

class Commands {
  #sources = $state.raw<(() => Command[])[]>([]);

  // A view offers its commands while it is shown; returns how to withdraw them.
  offer(source: () => Command[]): () => void {
    this.#sources = [...this.#sources, source];
    return () => (this.#sources = this.#sources.filter((other) => other !== source));
  }

  get all(): Command[] {
    return this.#sources.flatMap((source) => source());
  }

  get possible(): Command[] {
    return this.all.filter((command) => !command.hidden && (command.when?.() ?? true));
  }
}

export const commands = new Commands();

export const kMac = /mac|iphone|ipad/i.test(navigator.platform);

export const keyName = (keys: string) =>
  keys.replace('Ctrl', kMac ? '⌘' : 'Ctrl').replace('ArrowUp', '↑').replace('Escape', 'Esc').split('+');

// Whether keys write there.
const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

// An empty message is no text yet: "?" in it asks for help.
const isEmptyMessage = (target: EventTarget | null) => target instanceof HTMLTextAreaElement && 'composer' in target.dataset && target.value === '';

// Runs the command whose keys these are. Keys without Ctrl do nothing while one types; an open dialog has its own keys.
// Escape closes what is open, and where nothing is, leaves the field one types in: keys are commands again.
export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  if (document.querySelector('dialog[open], :popover-open')) return;
  const ctrl = event.ctrlKey || event.metaKey;
  const name = (ctrl ? 'Ctrl+' : '') + (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  if (!ctrl && isTyping(event.target) && event.key !== 'Escape' && !(event.key === '?' && isEmptyMessage(event.target))) return;
  const command = commands.all.find((one) => one.keys?.toUpperCase() === name.toUpperCase() && (one.when?.() ?? true));
  if (!command) {
    if (name === 'Escape' && isTyping(event.target)) (event.target as HTMLElement).blur();
    return;
  }
  event.preventDefault();
  command.run();
}

// The address is the state: which place, which thing in it, what is selected and which panes are open. Views read it
// here and change it here, so that every view can be linked, reloaded and gone back to.
import places from '../../places.json';

export type Query = Record<string, string | number | null | undefined>;

class Address {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  // "/chat/a1b2" is the place "chat" and the thing "a1b2"; "/owner/name" is the hub's, as all that is no place's own.
  get place(): string {
    const first = this.path.split('/')[1] || 'chat';
    return (places.find((place) => place.path === first) ?? places.find((place) => place.hub) ?? places[0]!).path;
  }

  get thing(): string | null {
    const second = this.path.split('/')[2];
    return second ? decodeURIComponent(second) : null;
  }

  get(name: string): string | null {
    return this.query.get(name);
  }

  // To another view: a step that "back" undoes.
  go(path: string, query: Query = {}): void {
    this.#write(path, merged(new URLSearchParams(), query), 'pushState');
  }

  // Within the view. Opening a pane is a step; moving a selection or a slider is not.
  set(query: Query, step: 'step' | 'same' = 'same'): void {
    this.#write(this.path, merged(this.query, query), step === 'step' ? 'pushState' : 'replaceState');
  }

  // The thing has another name now (a conversation got its id): the same view.
  rename(path: string, query: Query = {}): void {
    this.#write(path, merged(this.query, query), 'replaceState');
  }

  href(path: string, query: Query = {}): string {
    const text = merged(new URLSearchParams(), query).toString();
    return path + (text ? `?${text}` : '');
  }

  #write(path: string, query: URLSearchParams, how: 'pushState' | 'replaceState'): void {
    const text = query.toString();
    const url = path + (text ? `?${text}` : '');
    if (url === location.pathname + location.search) return;
    history[how](null, '', url);
    this.#read();
  }

  #read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }
}

function merged(query: URLSearchParams, changes: Query): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') next.delete(name);
    else next.set(name, String(value));
  }
  return next;
}

export const address = new Address();

// For links: the browser's own behaviour with a modifier key, ours without.
export function follow(event: MouseEvent): void {
  const link = (event.target as Element).closest?.('a[href^="/"]') as HTMLAnchorElement | null;
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute('download')) return;
  event.preventDefault();
  address.go(link.pathname, Object.fromEntries(new URLSearchParams(link.search)));
}

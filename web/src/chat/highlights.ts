// Marks on rendered text without touching it: the browser paints ranges by name (CSS Custom Highlight API, styled in
// base.css). Where a browser has none, text is simply not marked.

type Name = 'token-shown' | 'token-selected' | `ramp-${number}`;

const supported = typeof CSS !== 'undefined' && 'highlights' in CSS;

export class Marks {
  #own = new Map<Name, AbstractRange[]>();

  // Replaces this owner's ranges of that name; other owners' stay.
  set(name: Name, ranges: AbstractRange[]): void {
    if (!supported) return;
    let painted = CSS.highlights.get(name);
    if (!painted) {
      painted = new Highlight();
      painted.priority = name === 'token-selected' ? 2 : name === 'token-shown' ? 1 : 0;
      CSS.highlights.set(name, painted);
    }
    for (const range of this.#own.get(name) ?? []) painted.delete(range);
    for (const range of ranges) painted.add(range);
    this.#own.set(name, ranges);
  }

  clear(): void {
    for (const name of [...this.#own.keys()]) this.set(name, []);
  }
}

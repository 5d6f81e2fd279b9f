// Server-sent events (WHATWG HTML, 9.2): text in, in pieces cut anywhere, whole events out.

export interface ServerEvent {
  event: string;
  data: string;
}

export class SseParser {
  #rest = '';
  #event = '';
  #data: string[] = [];

  // The events that `text` completes. Line ends may be \n, \r\n or \r, and a piece may end between \r and \n.
  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let buffer = this.#rest + text;
    let end: number;
    while ((end = buffer.search(/[\r\n]/)) >= 0) {
      if (buffer[end] === '\r' && end + 1 === buffer.length) break; // perhaps half of \r\n
      const line = buffer.slice(0, end);
      buffer = buffer.slice(end + (buffer.startsWith('\r\n', end) ? 2 : 1));
      const done = this.#line(line);
      if (done) events.push(done);
    }
    this.#rest = buffer;
    return events;
  }

  #line(line: string): ServerEvent | null {
    if (line === '') {
      const event = this.#data.length ? { event: this.#event || 'message', data: this.#data.join('\n') } : null;
      this.#event = '';
      this.#data = [];
      return event;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    return null; // comments (an empty field), id and retry mean nothing to a fetch
  }
}

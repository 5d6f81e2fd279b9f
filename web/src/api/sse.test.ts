import { describe, expect, it } from 'vitest';
import { SseParser } from './sse';

const kStream = ': hello\n\ndata: {"a":1}\n\nevent: error\r\ndata: one\r\ndata:two\r\n\r\ndata\n\ndata: [DONE]\n\n';
const kEvents = [
  { event: 'message', data: '{"a":1}' },
  { event: 'error', data: 'one\ntwo' },
  { event: 'message', data: '' },
  { event: 'message', data: '[DONE]' },
];

describe('SseParser', () => {
  it('reads a stream whole', () => {
    expect(new SseParser().push(kStream)).toEqual(kEvents);
  });

  it('gives the same events however the stream is cut', () => {
    for (let size = 1; size < kStream.length; size++) {
      const parser = new SseParser();
      const events = [];
      for (let at = 0; at < kStream.length; at += size) events.push(...parser.push(kStream.slice(at, at + size)));
      expect(events).toEqual(kEvents);
    }
  });

  it('keeps what is not ended, and drops it with the stream', () => {
    const parser = new SseParser();
    expect(parser.push('data: half')).toEqual([]);
    expect(parser.push(' and half\n')).toEqual([]);
    expect(parser.push('\n')).toEqual([{ event: 'message', data: 'half and half' }]);
  });

  it('takes lone carriage returns as line ends', () => {
    expect(new SseParser().push('data: x\r\rdata: y\r\r ')).toEqual([
      { event: 'message', data: 'x' },
      { event: 'message', data: 'y' },
    ]);
  });
});

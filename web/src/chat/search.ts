import { address } from '../shell/address.svelte';
import type { Command } from '../shell/commands.svelte';
import { chats } from './chats.svelte';
import { path } from './conversation';

// Conversations whose title or text holds every word; without words, the newest.
export function findConversations(words: string[], limit: number): Command[] {
  const found: Command[] = [];
  for (const { id, title } of chats.list) {
    if (found.length >= limit) break;
    const command = { group: 'Conversations', title, run: () => address.go(`/chat/${id}`) };
    if (words.every((word) => title.toLowerCase().includes(word))) {
      found.push(command);
      continue;
    }
    const c = chats.get(id) ?? chats.storage.load(id);
    const whole = c ? path(c).map((message) => message.text).join(' ').replace(/\s+/g, ' ') : '';
    const lower = whole.toLowerCase();
    if (!words.every((word) => lower.includes(word))) continue;
    const at = lower.indexOf(words[0]!); // the words where they stand
    found.push({ ...command, detail: (at > 30 ? '…' : '') + whole.slice(Math.max(0, at - 30), at + 70) });
  }
  return found;
}

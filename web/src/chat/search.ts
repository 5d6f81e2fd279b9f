import { address } from '../shell/address.svelte';
import type { Command } from '../shell/commands.svelte';
import { chats } from './chats.svelte';

// Conversations whose title or text holds every word; without words, the newest.
export async function findConversations(words: string[], limit: number): Promise<Command[]> {
  const found: Command[] = [];
  for (const summary of chats.list) {
    if (found.length >= limit) break;
    const command = { group: 'Conversations', title: summary.title, run: () => address.go(`/chat/${summary.id}`) };
    if (words.every((word) => summary.title.toLowerCase().includes(word))) {
      found.push(command);
      continue;
    }
    const whole = await chats.textOf(summary);
    const lower = whole.toLowerCase();
    if (!words.every((word) => lower.includes(word))) continue;
    const at = lower.indexOf(words[0]!); // the words where they stand
    found.push({ ...command, detail: (at > 30 ? '…' : '') + whole.slice(Math.max(0, at - 30), at + 70) });
  }
  return found;
}

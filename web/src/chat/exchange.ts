// Conversations as a file, for other browsers and for other programs: docs/conversations.md describes it.
import type { Conversation } from './conversation';
import { BadRecord, list, object, pack, readConversation } from './records';

const kFormat = 'glassbox conversations';
const kVersion = 1;

// A line each, so that a long file can be looked at.
export function exportText(conversations: readonly Conversation[], now = new Date()): string {
  const head = `{"format":${JSON.stringify(kFormat)},"version":${kVersion},"exported":${JSON.stringify(now.toISOString())},"conversations":[`;
  return `${head}\n${conversations.map((c) => pack(c)).join(',\n')}\n]}\n`;
}

// The conversations of such a file, all or none. Throws BadRecord that says what is wrong, and where.
export function importText(text: string): Conversation[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    throw new BadRecord('This is not a JSON file.');
  }
  if (typeof file !== 'object' || file === null || (file as { format?: unknown }).format !== kFormat) {
    throw new BadRecord(`This is not a file of conversations that Glassbox exported: it does not say "format": "${kFormat}".`);
  }
  const { version, conversations } = object(file, '');
  if (version !== kVersion) throw new BadRecord(`version: expected ${kVersion}, got ${JSON.stringify(version)}: another version of Glassbox wrote this file.`);
  const seen = new Set<string>();
  return list(conversations, 'conversations').map((one, i) => {
    const c = readConversation(one, `conversations[${i}]`);
    if (seen.has(c.id)) throw new BadRecord(`conversations[${i}].id: expected an id of its own, got "${c.id}"`);
    seen.add(c.id);
    return c;
  });
}

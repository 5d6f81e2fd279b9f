// Export and import, as files that the browser saves and opens. What came of it is told where the conversations are listed.
import { shell } from '../shell/shell.svelte';
import { chats } from './chats.svelte';

const kMost = 256_000_000; // bytes: more is not read into a page

class Files {
  done = $state(''); // what was done, or
  fault = $state(''); // what was wrong
}

export const files = new Files();

function tell(done: string, fault = ''): void {
  files.done = done;
  files.fault = fault;
  shell.announce(done || fault);
}

export async function exportFile(ids?: readonly string[]): Promise<void> {
  const text = await chats.export(ids);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = `glassbox-conversations-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Asks for a file. Nothing of a file that is wrong is taken in.
export function importFile(): void {
  const field = document.createElement('input');
  field.type = 'file';
  field.accept = 'application/json,.json';
  field.onchange = () => {
    const file = field.files?.[0];
    if (file) void take(file);
  };
  field.click();
}

async function take(file: File): Promise<void> {
  files.fault = '';
  try {
    if (file.size > kMost) throw new Error(`It has ${Math.round(file.size / 1e6)} MB, more than a page can read.`);
    const { all, kept } = await chats.import(await file.text(), (done, of) => {
      if (done % 100 === 0) files.done = `Importing: ${done.toLocaleString('en')} of ${of.toLocaleString('en')}`;
    });
    if (kept < all) tell('', `The browser’s storage is full: ${kept} of ${all} conversations of ${file.name.slice(0, 80)} were imported.`);
    else tell(all === 1 ? '1 conversation imported.' : `${all} conversations imported.`);
  } catch (error) {
    tell('', `${file.name.slice(0, 80)} was not imported. ${(error as Error).message}`);
  }
}

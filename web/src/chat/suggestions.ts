// What to ask first: what the model at hand can do.
import type { ModelInfo } from '../api/types';

export interface Suggestion {
  title: string;
  prompt: string;
}

// What its card says it does.
const kPrism: Suggestion[] = [
  { title: 'A sum', prompt: 'What is 17 + 25?' },
  { title: 'A story', prompt: 'Tell me a story about a fox in a forest.' },
  { title: 'A passage', prompt: 'Mia has a red boat. Ben lives in the forest. The owl is on the roof. Where does Ben live?' },
  { title: 'About itself', prompt: 'Who are you?' },
];

const kChat: Suggestion[] = [
  { title: 'Explain', prompt: 'Explain how a rainbow forms, in three sentences.' },
  { title: 'Write', prompt: 'Write a short poem about the sea in winter.' },
  { title: 'Plan', prompt: 'Plan a simple dinner for four with what is in season in autumn.' },
  { title: 'Compare', prompt: 'What is the difference between weather and climate?' },
];

const kCode: Suggestion[] = [
  { title: 'Write', prompt: 'Write a Python function that reverses the words of a sentence.' },
  { title: 'Explain', prompt: 'Explain what this does: [x * x for x in range(10) if x % 2]' },
  { title: 'Test', prompt: 'Write unit tests for a function that parses dates like 2026-03-01.' },
  { title: 'Mend', prompt: 'Find the mistake: for (int i = 0; i <= n; ++i) sum += a[i];' },
];

// Beginnings: a base model goes on from them.
const kTexts: Suggestion[] = [
  { title: 'A story', prompt: 'Once upon a time, there was a little fox' },
  { title: 'A list', prompt: 'Three things to see at the seaside:\n1.' },
  { title: 'A letter', prompt: 'Dear Anna,\n\nthank you for your letter. Since we last met,' },
  { title: 'A definition', prompt: 'A telescope is an instrument that' },
];

const kPrograms: Suggestion[] = [
  { title: 'A function', prompt: 'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n' },
  { title: 'A page', prompt: '<!doctype html>\n<html>\n<head>\n<title>' },
  { title: 'A query', prompt: '-- Names of customers with more than ten orders\nSELECT' },
  { title: 'A test', prompt: 'import unittest\n\nclass TestDates(unittest.TestCase):\n    def test_' },
];

export function suggestionsFor(model: ModelInfo): Suggestion[] {
  const { has_chat_template, adapter_of } = model.glassbox ?? {};
  // By the model's own name: an organisation may be called anything.
  const names = [model.id, adapter_of ?? ''].map((id) => id.slice(id.lastIndexOf('/') + 1).toLowerCase());
  const isCode = names.some((name) => /(^|[^a-z])(star)?code(r|llama|gen|gemma|stral)?([^a-z]|$)/.test(name));
  if (has_chat_template === false) return isCode ? kPrograms : kTexts;
  if (names.some((name) => /^prism([^a-z]|$)/.test(name))) return kPrism;
  return isCode ? kCode : kChat;
}

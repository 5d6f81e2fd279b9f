import { describe, expect, it } from 'vitest';
import { suggestionsFor } from './suggestions';

const firstFor = (id: string, has_chat_template?: boolean, adapter_of?: string) => suggestionsFor({ id, glassbox: { has_chat_template, adapter_of } })[0]!.prompt;

describe('suggestions', () => {
  it('are what the model can do', () => {
    expect(firstFor('glassbox/prism', true)).toBe('What is 17 + 25?');
    expect(firstFor('prism-q4.gguf', true)).toBe('What is 17 + 25?');
    expect(firstFor('poet', true, 'glassbox/prism')).toBe('What is 17 + 25?');
    expect(firstFor('HuggingFaceTB/SmolLM2-135M-Instruct', true)).toMatch(/rainbow/);
    expect(firstFor('prism-ml/Bonsai-1.7B', true)).toMatch(/rainbow/); // an organisation's name is not the model's
    expect(firstFor('prismatic-7b', true)).toMatch(/rainbow/);
    expect(suggestionsFor({ id: 'of another server' })[0]!.prompt).toMatch(/rainbow/);
  });

  it('are beginnings of texts for a model that continues them', () => {
    expect(firstFor('karpathy/stories260K', false)).toMatch(/^Once upon a time/);
    expect(firstFor('bigcode/starcoder2-3b', false)).toMatch(/^def fibonacci/);
    expect(firstFor('Qwen/Qwen2.5-Coder-0.5B-Instruct', true)).toMatch(/Python function/);
    expect(firstFor('decoder-only-1b', false)).toMatch(/^Once upon a time/);
  });

  it('differ, and are four', () => {
    for (const id of ['prism', 'a', 'a-coder']) {
      for (const chat of [true, false]) {
        const list = suggestionsFor({ id, glassbox: { has_chat_template: chat } });
        expect(new Set(list.map((one) => one.prompt)).size).toBe(4);
        expect(new Set(list.map((one) => one.title)).size).toBe(4);
      }
    }
  });
});

import { describe, expect, it } from 'vitest';
import { kSettings, parseSetting, queryOfSettings, requestSettings, settingsOfQuery, summary } from './settings';

describe('settings', () => {
  it('go to the address and come back', () => {
    const settings = { temperature: 0.7, top_k: 40, seed: 0, system: 'Be brief.' };
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(queryOfSettings(settings))) if (value !== null) query.set(name, String(value));
    expect(query.toString()).toBe('temperature=0.7&top_k=40&seed=0&system=Be+brief.');
    expect(settingsOfQuery(query)).toEqual(settings);
    expect(settingsOfQuery(new URLSearchParams('temperature=hot&x=1'))).toBeNull();
  });

  it('stay within bounds, and whole where they must be', () => {
    const by = (key: string) => kSettings.find((setting) => setting.key === key)!;
    expect(parseSetting(by('temperature'), '9')).toBe(2);
    expect(parseSetting(by('top_k'), '3.6')).toBe(4);
    expect(parseSetting(by('seed'), '-1')).toBe(0);
    expect(parseSetting(by('seed'), ' ')).toBeUndefined();
    expect(parseSetting(by('seed'), '1e999')).toBeUndefined();
  });

  it('are sent only where they are set', () => {
    expect(requestSettings({ temperature: 0, max_tokens: 5, system: 'x' })).toEqual({ temperature: 0, max_completion_tokens: 5 });
    expect(requestSettings({})).toEqual({});
  });

  it('are told in a line', () => {
    expect(summary({ temperature: 0, seed: 3, system: 's' })).toBe('temperature 0 · seed 3 · system prompt');
  });
});

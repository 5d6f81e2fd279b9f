// Sampling settings: what each is, its bounds, and how it is written in the address and in a request.
import type { Settings } from './conversation';

export interface Setting {
  key: Exclude<keyof Settings, 'system'>;
  label: string;
  about: string;
  min: number;
  max: number;
  step: number;
  slider?: [from: number, to: number];
  usual: number; // where the slider stands while the model's own value is used
}

const kMostTokens = 1_000_000;

export const kSettings: Setting[] = [
  { key: 'temperature', label: 'Temperature', about: '0 always takes the most likely token; higher is more surprising.', min: 0, max: 2, step: 0.05, slider: [0, 2], usual: 1 },
  { key: 'top_p', label: 'Top p', about: 'Only the most likely tokens that together reach this probability.', min: 0, max: 1, step: 0.01, slider: [0, 1], usual: 1 },
  { key: 'top_k', label: 'Top k', about: 'Only the k most likely tokens; 0 is all.', min: 0, max: 1000, step: 1, slider: [0, 200], usual: 0 },
  { key: 'min_p', label: 'Min p', about: 'Only tokens at least this fraction as likely as the most likely one.', min: 0, max: 1, step: 0.01, slider: [0, 0.5], usual: 0 },
  { key: 'repetition_penalty', label: 'Repetition penalty', about: 'Above 1, what was said already becomes less likely.', min: 0.5, max: 2, step: 0.01, slider: [0.8, 1.6], usual: 1 },
  { key: 'max_tokens', label: 'Max tokens', about: 'The longest an answer may be, reasoning included. Empty: until the context is full.', min: 1, max: kMostTokens, step: 1, usual: 0 },
  { key: 'seed', label: 'Seed', about: 'The same seed, prompt and settings give the same answer, to the bit. Empty: a new one each time.', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, usual: 0 },
];

const kNames = [...kSettings.map((setting) => setting.key), 'system'] as const;

// What the field says as a setting: undefined for nothing, and for what is not a number. Kept within bounds.
export function parseSetting(setting: Setting, text: string): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  if (!Number.isFinite(value)) return undefined;
  const whole = setting.step === 1 ? Math.round(value) : value;
  return Math.min(setting.max, Math.max(setting.min, whole));
}

// The settings an address asks for; null where it names none.
export function settingsOfQuery(query: URLSearchParams): Settings | null {
  const found: Settings = {};
  for (const setting of kSettings) {
    const value = parseSetting(setting, query.get(setting.key) ?? '');
    if (value !== undefined) found[setting.key] = value;
  }
  const system = query.get('system');
  if (system) found.system = system;
  return Object.keys(found).length ? found : null;
}

// For address.set(): the settings that are set, and null for those that are not.
export function queryOfSettings(settings: Settings): Record<string, string | number | null> {
  return Object.fromEntries(kNames.map((name) => [name, settings[name] ?? null]));
}

// As a request says them: only what is set, so that the rest is as the model's own generation_config says.
export function requestSettings(settings: Settings): Record<string, number> {
  const { system: _, max_tokens, ...sampling } = settings;
  return JSON.parse(JSON.stringify({ ...sampling, max_completion_tokens: max_tokens }));
}

// How many tokens there is room for after `known` of the prompt: that many at least are in the context already, and the
// server gives no more than there is. At least one, for it to say how full the context is.
export const roomFor = (context: number | undefined, known: number): number => Math.max(1, (context ?? kMostTokens) - Math.max(1, known));

// "temperature 0.7 · seed 42"
export function summary(settings: Settings): string {
  const parts = kSettings.filter(({ key }) => settings[key] !== undefined).map(({ key, label }) => `${label.toLowerCase()} ${settings[key]}`);
  if (settings.system?.trim()) parts.push('system prompt');
  return parts.join(' · ');
}

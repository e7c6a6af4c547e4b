/** What somebody chose last time: of a partner, and of their devices. */

import type { Preferences } from '../state.ts';

const PREFERENCES_KEY = 'parley.preferences';
const DEVICES_KEY = 'parley.devices';

const DEFAULT: Preferences = { mode: 'VIDEO', interests: [], languages: [], patience: 10 };

export function loadPreferences(storage: Storage = localStorage): Preferences {
  return { ...DEFAULT, ...(load(storage, PREFERENCES_KEY) as Partial<Preferences>) };
}

export function keepPreferences(preferences: Preferences, storage: Storage = localStorage): void {
  storage.setItem(PREFERENCES_KEY, JSON.stringify(preferences));
}

/** Device IDs by kind. */
export type Chosen = { readonly camera?: string; readonly microphone?: string };

export function loadDevices(storage: Storage = localStorage): Chosen {
  return load(storage, DEVICES_KEY) as Chosen;
}

export function keepDevices(chosen: Chosen, storage: Storage = localStorage): void {
  storage.setItem(DEVICES_KEY, JSON.stringify(chosen));
}

function load(storage: Storage, key: string): object {
  try {
    return JSON.parse(storage.getItem(key) ?? '{}') as object;
  } catch {
    return {}; // Somebody else's, or of another version.
  }
}

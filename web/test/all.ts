/** Runs all tests in this one process: one for each file would load the same modules again. One file: `npx tsx FILE`. */

import { readdirSync } from 'node:fs';

const here = new URL('.', import.meta.url);
for (const name of readdirSync(here, { recursive: true, encoding: 'utf8' }).sort()) {
  if (name.endsWith('.test.ts')) await import(new URL(name, here).href);
}

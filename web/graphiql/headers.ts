/** The text of a Headers tab. */

import { tryParseJSONC } from '@graphiql/react';

/** With this token as `Authorization`, whatever was there by that name in any case; other headers stay. */
export function authorized(text: string, token: string): string {
  const others = Object.entries(parsed(text)).filter(([name]) => name.toLowerCase() !== 'authorization');
  return JSON.stringify({ ...Object.fromEntries(others), Authorization: `Bearer ${token}` }, null, 2);
}

/** The token that the text has as `Authorization`; null if it has none. */
export function tokenOf(text: string): string | null {
  const value = Object.entries(parsed(text)).find(([name]) => name.toLowerCase() === 'authorization')?.[1];
  return typeof value === 'string' ? value.replace(/^bearer\s+/i, '') : null;
}

function parsed(text: string): Record<string, unknown> {
  try {
    return tryParseJSONC(text) ?? {};
  } catch {
    return {};
  }
}

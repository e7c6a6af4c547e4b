/** graphql-ws, with nothing set but the address and who one is. */

import { createClient } from 'graphql-ws';

import { connect as reconnecting } from './reconnecting.mjs';
import { using } from './results.mjs';

export const transports = {
  websocket: ({ url, credentials }) => using(createClient({ url: socketOf(url), connectionParams: credentials })),
};

/** As docs/CLIENTS.md has it. */
export const lasting = {
  websocket: ({ url, accessToken, cursor }) => using(reconnecting(socketOf(url), accessToken, cursor)),
};

export function socketOf(url) {
  return url.replace(/^http/, 'ws');
}

export const refused = { websocket: { closed: 4401 } };

/** Errors of the operation come as a list, a closed socket as its event. */
export function told(error) {
  return Array.isArray(error) ? { codes: error.map(({ extensions }) => extensions.code) } : { closed: error.code };
}

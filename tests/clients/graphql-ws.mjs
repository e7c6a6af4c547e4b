/** graphql-ws, with nothing set but the address and who one is. */

import { createClient } from 'graphql-ws';

import { shown } from './guide.mjs';
import { using } from './results.mjs';

export const transports = {
  websocket: ({ url, credentials }) => using(createClient({ url: socketOf(url), connectionParams: credentials })),
};

const { createSocket: create, follow, joinQueue } = await shown('socket.js');
export const lasting = { websocket: { create, follow, joinQueue, close: (socket) => socket.dispose() } };

export function socketOf(url) {
  return url.replace(/^http/, 'ws');
}

export const refused = { websocket: { closed: 4401 } };

/** Errors of the operation come as a list, a closed socket as its event. */
export function told(error) {
  return Array.isArray(error) ? { codes: error.map(({ extensions }) => extensions.code) } : { closed: error.code };
}

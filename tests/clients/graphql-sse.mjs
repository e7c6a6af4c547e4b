/** graphql-sse, with nothing set but the address and who one is: one connection for each operation, queries and mutations too. */

import { createClient, NetworkError } from 'graphql-sse';

import { shown } from './guide.mjs';
import { using } from './results.mjs';

export const transports = {
  sse: ({ url, credentials, options }) => using(createClient({ url, headers: credentials, ...options })),
};

const { createStream: create } = await shown('stream.js');
const { follow, joinQueue } = await shown('socket.js');
export const lasting = { sse: { create, follow, joinQueue, close: (client) => client.dispose() } };

/** By default it tries a refused request five times more, which takes 40 seconds. */
export const refused = { sse: { status: 401 } };

/** Errors of the operation come as a list in the result, a refused request as a NetworkError without its body. */
export function told(error) {
  return error instanceof NetworkError
    ? { status: error.response?.status }
    : { codes: error.map(({ extensions }) => extensions.code) };
}

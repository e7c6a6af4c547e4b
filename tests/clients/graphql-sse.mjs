/** graphql-sse, with nothing set but the address and who one is: one connection for each operation, queries and mutations too. */

import { createClient, NetworkError } from 'graphql-sse';

import { connect as reconnecting } from './reconnecting-sse.mjs';
import { using } from './results.mjs';

export const transports = {
  sse: ({ url, credentials, options }) => using(createClient({ url, headers: credentials, ...options })),
};

/** As docs/CLIENTS.md has it. */
export const lasting = {
  sse: ({ url, accessToken, cursor }) => using(reconnecting(url, accessToken, cursor)),
};

/** By default it tries a refused request five times more, which takes 40 seconds. */
export const refused = { sse: { status: 401 } };

/** Errors of the operation come as a list in the result, a refused request as a NetworkError without its body. */
export function told(error) {
  return error instanceof NetworkError
    ? { status: error.response?.status }
    : { codes: error.map(({ extensions }) => extensions.code) };
}

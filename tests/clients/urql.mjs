/** urql: queries and mutations over HTTP, subscriptions over WebSocket, SSE or multipart. */

import { cacheExchange, Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { createClient } from 'graphql-ws';

import { socketOf } from './graphql-ws.mjs';
import { shown } from './guide.mjs';

export const transports = {
  sse: ({ url, credentials }) =>
    using({ url, fetchOptions: () => ({ headers: credentials() }), fetchSubscriptions: true }),

  /** What it prefers is SSE: for multipart one asks. */
  multipart: ({ url, credentials }) =>
    using({
      url,
      fetchOptions: () => ({ headers: credentials() }),
      fetchSubscriptions: true,
      only: 'multipart/mixed',
    }),

  websocket: ({ url, credentials }) =>
    overSocket(url, credentials, createClient({ url: socketOf(url), connectionParams: credentials })),
};

const { createSocket } = await shown('socket.js');
const { createUrql, follow, joinQueue } = await shown('urql.js');
export const lasting = {
  websocket: { create: (session) => createUrql(session, createSocket(session)), follow, joinQueue, close: () => {} },
};

export function persisted({ url, fetch }) {
  return using({ url, fetch, exchanges: [cacheExchange, persistedExchange(), fetchExchange] });
}

function overSocket(url, credentials, socket) {
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
  });
  const exchanges = [cacheExchange, fetchExchange, subscriptionExchange({ forwardSubscription })];
  return using({ url, fetchOptions: () => ({ headers: credentials() }), exchanges, socket });
}

function using({ socket, only, exchanges = [cacheExchange, fetchExchange], ...options }) {
  const client = new Client({ ...options, exchanges });
  const asking = only ? { fetchOptions: () => ({ headers: { ...options.fetchOptions().headers, accept: only } }) } : {};
  return {
    run: async (document, variables) => {
      const operate = document.trimStart().startsWith('mutation') ? client.mutation : client.query;
      const { data, error } = await operate.call(client, document, variables).toPromise();
      if (error) throw error;
      return data;
    },
    follow: (document, variables, { next, error, complete }) =>
      client.subscription(document, variables, asking).subscribe((result) => {
        if (result.error) error(result.error);
        else if (result.hasNext) next(result.data);
        else complete(); // with the last result, which it shows once more
      }).unsubscribe,
    close: () => socket?.dispose(),
  };
}

const unauthenticated = { codes: ['UNAUTHENTICATED'], status: 401 };

export const refused = { sse: unauthenticated, multipart: unauthenticated, websocket: { closed: 4401 } };

export function told({ graphQLErrors, networkError, response }) {
  if (graphQLErrors.length > 0) return { codes: graphQLErrors.map(({ extensions }) => extensions.code), status: response?.status };
  return response ? { status: response.status } : { closed: networkError.code };
}

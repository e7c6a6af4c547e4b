/** Apollo Client: queries and mutations over HTTP, subscriptions over WebSocket or, without any more of a library, multipart. */

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache, ServerError } from '@apollo/client/core';
import { SetContextLink } from '@apollo/client/link/context';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import { OperationTypeNode } from 'graphql';

import { socketOf } from './graphql-ws.mjs';
import { shown } from './guide.mjs';

export const transports = {
  multipart: ({ url, credentials }) => using(overHttp(url, credentials)),
  websocket: ({ url, credentials }) =>
    overSocket(url, credentials, createClient({ url: socketOf(url), connectionParams: credentials })),
};

const { createSocket } = await shown('socket.js');
const { createApollo, follow, joinQueue } = await shown('apollo.js');
export const lasting = {
  websocket: { create: (session) => createApollo(session, createSocket(session)), follow, joinQueue, close: (client) => client.stop() },
};

export function persisted({ url, fetch }) {
  const sha256 = async (text) => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  };
  return using(new PersistedQueryLink({ sha256 }).concat(new HttpLink({ uri: url, fetch })));
}

function overSocket(url, credentials, socket) {
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  return using(ApolloLink.split(isSubscription, new GraphQLWsLink(socket), overHttp(url, credentials)), socket);
}

function overHttp(uri, credentials) {
  const signed = new SetContextLink(async ({ headers }) => ({ headers: { ...headers, ...(await credentials()) } }));
  return signed.concat(new HttpLink({ uri }));
}

function using(link, socket) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return {
    run: async (document, variables) => {
      const operation = gql(document);
      const { data } =
        operation.definitions[0].operation === 'mutation'
          ? await client.mutate({ mutation: operation, variables })
          : await client.query({ query: operation, variables });
      return data;
    },
    follow: (document, variables, { next, error, complete }) => {
      const following = client.subscribe({ query: gql(document), variables }).subscribe({
        next: (result) => (result.error ? error(result.error) : next(result.data)),
        error,
        complete,
      });
      return () => following.unsubscribe();
    },
    close: () => {
      client.stop();
      socket?.dispose();
    },
  };
}

export const refused = { multipart: { codes: ['UNAUTHENTICATED'] }, websocket: { closed: 4401 } };

export function told(error) {
  if (CombinedGraphQLErrors.is(error)) return { codes: error.errors.map(({ extensions }) => extensions.code) };
  if (ServerError.is(error)) return { status: error.statusCode };
  return { closed: Number(/Socket closed with event (\d+)/.exec(error.message)?.[1]) };
}

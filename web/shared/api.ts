/** Parley's API for a page: urql, over HTTP for what stands alone and over one WebSocket for what has an order or goes on. */

import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import {
  type AnyVariables,
  Client,
  type CombinedError,
  fetchExchange,
  type OperationResult,
  subscriptionExchange,
} from '@urql/core';
import { createClient, type Client as Socket } from 'graphql-ws';

import { Failure, failureOf, SessionEnded } from './failures.ts';
import type { Session } from './session.ts';

const SILENCE_MS = 30_000;
const LONGEST_PAUSE_MS = 30_000;
const DEADLINE_MS = 30_000;
const ATTEMPTS = 4;
const LONGEST_WAIT_S = 5;

export type Connection = 'connecting' | 'live' | 'lost';

/** What a page is told of the socket. */
export interface Told {
  /** `lost` is tried again by itself, for ever. */
  connection(now: Connection): void;
  /**
   * The socket is closed for good: `SessionEnded`, or a `Failure` whose code is the close code, such as `4429` when other tabs took
   * its place. Whoever wants another one opens it.
   */
  ended(why: SessionEnded | Failure): void;
}

export interface Asking {
  /** `socket` keeps the order, and sends again what was under way when it broke: see that a repeat does no harm. */
  readonly over?: 'http' | 'socket';
  /** Up to four times while the network fails, or the server says that it will not be long: where a repeat does no harm. */
  readonly patient?: boolean;
}

export interface Api {
  /** For React's `Provider`. It keeps no cache: what it answers is from the server. */
  readonly client: Client;
  /** What a query or a mutation answers. Throws `Failure` or `SessionEnded`. */
  ask<Data, Variables extends AnyVariables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    asking?: Asking,
  ): Promise<Data>;
  /** Hands on what a subscription tells, across reconnections. `failed` is told of its end. Returns what stops it. */
  follow<Data, Variables extends AnyVariables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    next: (data: Data) => void,
    failed: (why: Failure | SessionEnded) => void,
  ): () => void;
  /** Tears the socket and opens it again, with a token that is good then. */
  reconnect(): void;
  /** For good. */
  close(): void;
}

/** Opens the socket at once, and keeps it open also without a subscription: how a suspended user hears of the end of it. */
export function openApi(session: Session, told: Told): Api {
  let closed = false;
  const socket = openSocket(session, {
    connection: (now) => closed || told.connection(now),
    ended: (why) => closed || told.ended(why),
  });
  const client = new Client({
    url: session.url,
    preferGetMethod: false,
    requestPolicy: 'network-only',
    fetch: (address, options) => authorized(session, address, options),
    exchanges: [
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ query, variables: variables as Record<string, unknown> }, sink as never),
          }),
        }),
        isSubscriptionOperation: ({ kind, context }) => kind === 'subscription' || context['over'] === 'socket',
      }),
      fetchExchange,
    ],
  });

  async function once<Data, Variables extends AnyVariables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    over: 'http' | 'socket',
  ): Promise<Data> {
    const operate = isMutation(document) ? client.mutation.bind(client) : client.query.bind(client);
    const result: OperationResult = await operate(document, variables, { over }).toPromise();
    if (result.error) throw failure(result.error);
    return result.data as Data;
  }

  return {
    client,
    async ask(document, variables, { over = 'http', patient = false } = {}) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(document, variables, over);
        } catch (error) {
          const wait = error instanceof Failure ? pauseAfter(error, attempt) : undefined;
          if (!patient || closed || attempt === ATTEMPTS || wait === undefined) throw error;
          await new Promise((resolve) => setTimeout(resolve, wait));
        }
      }
    },
    follow(document, variables, next, failed) {
      const { unsubscribe } = client.subscription(document, variables).subscribe(({ data, error, hasNext }) => {
        if (error) failed(failure(error));
        else if (!hasNext)
          failed(new Failure('NETWORK', 'The stream has ended.')); // It shows the last once more.
        else if (data !== undefined) next(data);
      });
      return unsubscribe;
    },
    reconnect: () => socket.terminate(),
    close() {
      closed = true;
      void socket.dispose();
    },
  };
}

function openSocket(session: Session, told: Told): Socket {
  let silence: ReturnType<typeof setTimeout>;
  const socket = createClient({
    url: session.url.replace(/^http/, 'ws'),
    lazy: false,
    onNonLazyError: (why) => told.ended(fault(why)),
    connectionParams: async () => ({ authorization: `Bearer ${await session.token()}`, after: session.cursor }),
    connectionAckWaitTimeout: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (retries) => pause(retries),
    // By default a handshake that is refused, and a token that cannot be fetched just now, end the client for good.
    shouldRetry: (why) => !(why instanceof SessionEnded),
    on: {
      connecting: (again) => told.connection(again ? 'lost' : 'connecting'),
      connected: () => told.connection('live'),
      message: () => {
        clearTimeout(silence); // The server pings every 15 s: after 30 s without a word the network is gone.
        silence = setTimeout(() => socket.terminate(), SILENCE_MS);
      },
      error: () => told.connection('lost'),
      closed: (event) => {
        clearTimeout(silence);
        if ((event as CloseEvent).code === 4403) session.expire();
        told.connection('lost');
      },
    },
  });
  return socket;
}

/** Longer each time, for half a minute at most: by default it grows without bound. */
function pause(retries: number): Promise<void> {
  const longest = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** retries);
  return new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
}

/** Milliseconds to wait before another try, where that helps. Who would have to wait for long is told instead. */
function pauseAfter({ code, retryAfter }: Failure, attempt: number): number | undefined {
  if (retryAfter !== undefined) return retryAfter > LONGEST_WAIT_S ? undefined : retryAfter * 1000;
  return code === 'NETWORK' ? 500 * 2 ** attempt : undefined;
}

/** With a token; with another one if that is not taken. */
async function authorized(session: Session, address: RequestInfo | URL, options: RequestInit = {}): Promise<Response> {
  const send = async () => {
    const headers = new Headers(options.headers);
    headers.set('authorization', `Bearer ${await session.token()}`);
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    return fetch(address, { ...options, headers, signal });
  };
  const response = await send();
  if (response.status !== 401) return response;
  session.expire();
  return send();
}

function isMutation(document: TypedDocumentNode<unknown, never>): boolean {
  return document.definitions.some((part) => part.kind === 'OperationDefinition' && part.operation === 'mutation');
}

function failure({ graphQLErrors, networkError }: CombinedError): Failure | SessionEnded {
  return graphQLErrors.length > 0 ? failureOf(graphQLErrors as never) : fault(networkError);
}

/** What a socket or `fetch` throws: a close event, an error event, an `Error`. */
function fault(why: unknown): Failure | SessionEnded {
  if (why instanceof SessionEnded || why instanceof Failure) return why;
  const code = (why as { readonly code?: unknown } | null | undefined)?.code;
  if (code === 4401) return new SessionEnded('The session has ended.');
  if (typeof code === 'number' && code >= 4400 && code < 4500)
    return new Failure(String(code), 'The socket was closed.');
  return new Failure('NETWORK', String(why));
}

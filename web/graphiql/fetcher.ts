/** How GraphiQL reaches the server: queries and mutations over HTTP, subscriptions over WebSocket. */

import type { Fetcher, FetcherParams, Observable } from '@graphiql/toolkit';
import { type ExecutionResult, Kind, type OperationDefinitionNode, parse } from 'graphql';
import { createClient } from 'graphql-ws';

const PATH = '/graphql';
type Headers = Readonly<Record<string, unknown>>;
/** What GraphiQL subscribes with. */
type Observer = { next(result: ExecutionResult): void; error(fault: unknown): void; complete(): void };

/** Closed by a restart, or by the network: the same operation may go on. After any other code it would be closed again. */
const PASSING = new Set([1001, 1006, 1012, 1013]);
/** What to do about the codes with which the server closes a socket for good (docs/CLIENTS.md). */
const ADVICE: Readonly<Record<number, string>> = {
  4400: 'The server did not understand a frame.',
  4401: 'Press "Sign in", or mend the token in the Headers tab, and run it again.',
  4403: 'The token has expired, or what it may do has changed. Press "Sign in", which renews it, and run it again.',
  4429: 'This user opened one socket too many, somewhere else: the oldest, this one, made room.',
};

/** For the `fetcher` property of GraphiQL. */
export const fetcher: Fetcher = (params, options) => {
  const headers: Headers = options?.headers ?? {};
  // The schema is the same for everybody: it is shown to whoever has an expired token too.
  if (params.operationName === 'IntrospectionQuery') return overHttp(params, {});
  const [first, ...others] = operations(params.query);
  // Right after a change of tabs GraphiQL still gives the name of the operation before: one that is alone is meant.
  const meant = first && others.length === 0 ? { ...params, operationName: first.name?.value ?? null } : params;
  const operation = [first, ...others].find((each) => (each?.name?.value ?? null) === (meant.operationName ?? null));
  return operation?.operation === 'subscription' ? overWebSocket(meant, headers) : overHttp(meant, headers);
};

/** One answer. Rejects with an object that says in `message` what went wrong. */
export async function overHttp(params: FetcherParams, headers: Headers): Promise<ExecutionResult> {
  let response: Response;
  try {
    response = await fetch(PATH, {
      method: 'POST',
      headers: { accept: 'application/graphql-response+json', 'content-type': 'application/json', ...texts(headers) },
      body: JSON.stringify(params),
    });
  } catch (fault) {
    throw { message: `Nothing was answered: ${(fault as Error).message}.` };
  }
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw { message: `Answered with status ${response.status}, and not in JSON.`, text };
  }
}

/**
 * Events, over a socket of their own, to which the headers go as `connectionParams`. A socket that was lost is opened again five times,
 * a second and more apart; how it ended otherwise is told as an error with `message`, `code` and `reason`.
 */
function overWebSocket(params: FetcherParams, headers: Headers): Observable<ExecutionResult> {
  return {
    subscribe(observer: Observer) {
      const { next, error, complete } = observer;
      const client = createClient({
        url: new URL(PATH, location.href.replace(/^http/, 'ws')).href,
        // Names of headers are the same in any case, keys of the payload are not: the server reads `authorization`.
        connectionParams: Object.fromEntries(
          Object.entries(texts(headers)).map(([name, value]) => [name.toLowerCase(), value]),
        ),
        connectionAckWaitTimeout: 10_000,
        retryAttempts: 5,
        shouldRetry: (fault) => closed(fault) && PASSING.has(fault.code),
      });
      const stop = client.subscribe<Record<string, unknown>>(params as FetcherParams & { operationName?: string }, {
        next: (result) => next(result as ExecutionResult),
        error: (fault) => error(told(fault)),
        complete,
      });
      return {
        unsubscribe() {
          stop();
          void client.dispose();
        },
      };
    },
  } as Observable<ExecutionResult>;
}

/** None where the text is no document: the server says what is wrong with it. */
function operations(query: string): OperationDefinitionNode[] {
  try {
    return parse(query).definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  } catch {
    return [];
  }
}

const texts = (headers: Headers): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

const closed = (fault: unknown): fault is { code: number; reason: string } =>
  typeof fault === 'object' && fault !== null && 'code' in fault && 'reason' in fault;

/** Errors of GraphQL as they are; the end of a socket in words. */
function told(fault: unknown): unknown {
  if (Array.isArray(fault)) return fault;
  if (!closed(fault)) return { message: fault instanceof Error ? fault.message : 'The socket could not be opened.' };
  const { code, reason } = fault;
  const advice = ADVICE[code] ?? 'The server cannot be reached.';
  return { message: `The socket was closed with ${code}. ${advice}`, code, reason };
}

/** A signed-in user of a Parley server: queries and mutations over HTTP, and everything that happens over one WebSocket. */

import { type Client, createClient } from 'graphql-ws';

import { EVENTS, type Event, type Failure, type Operation, REFRESH, type Session, SIGN_IN } from './operations.ts';

/** The access token is renewed so long before its end. */
const MARGIN_MS = 60_000;
const FORBIDDEN = 4403;

/** Top-level errors of an answer: `code` says what a program needs, `retryAfter` when to try again. */
export class GraphQLErrors extends Error {
  readonly code: string | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(errors: readonly TopLevelError[]) {
    super(errors.map((error) => error.message).join('\n'));
    this.code = errors[0]?.extensions?.code;
    this.retryAfter = errors[0]?.extensions?.retryAfter;
  }
}

interface TopLevelError {
  readonly message: string;
  readonly extensions?: { readonly code?: string; readonly retryAfter?: number };
}

/** A failure of the domain, from a payload's union: `type` is its name there. */
export class Refused extends Error {
  readonly type: string;

  constructor(failure: Failure) {
    super(failure.message);
    this.type = failure.__typename;
  }
}

/** The success of a payload. Throws `Refused` for its failures. */
export function succeeded<Success extends object>(payload: Success | Failure): Success {
  if ('__typename' in payload && payload.__typename.endsWith('Error')) throw new Refused(payload);
  return payload as Success;
}

export class Parley {
  readonly #server: string;
  readonly #socket: Client;
  #session: Session;
  #refreshing: Promise<void> | undefined;
  /** The last event that was handled: what a new connection goes on from. */
  #cursor: string | undefined;

  /** Makes a new account. `webSocket` is for Node before 22; a browser has its own. */
  static async signIn(server: string, displayName: string, webSocket?: unknown): Promise<Parley> {
    const data = await post(server, SIGN_IN, { input: { displayName } });
    return new Parley(server, succeeded(data.signInAnonymously).session, webSocket);
  }

  private constructor(server: string, session: Session, webSocket: unknown) {
    this.#server = server;
    this.#session = session;
    this.#socket = createClient({
      url: `${server.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: webSocket,
      connectionParams: async () => ({ authorization: `Bearer ${await this.#accessToken()}`, after: this.#cursor }),
      retryAttempts: Infinity,
      // A refused reconnection surfaces as an Event, and by default ends the client for good: only the end of the session shall.
      shouldRetry: (fault) => !(fault instanceof Refused),
      retryWait: (retries) => sleep(Math.min(30_000, 1000 * 2 ** retries) * (0.5 + Math.random() / 2)),
      on: {
        closed: (event) => {
          if ((event as CloseEvent).code === FORBIDDEN) this.#expire();
        },
      },
    });
  }

  /** Runs a query or a mutation. Throws `GraphQLErrors`; and `TypeError` when the network fails and the outcome is unknown. */
  async run<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables): Promise<Data> {
    return post(this.#server, operation, variables, await this.#accessToken());
  }

  /** The same, tried up to four times while the network fails or the server says when: for what carries an ID of the client's. */
  async runSafely<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables): Promise<Data> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.run(operation, variables);
      } catch (error) {
        const wait =
          error instanceof GraphQLErrors ? error.retryAfter : error instanceof TypeError ? 2 ** attempt : undefined;
        if (wait === undefined || attempt === 3) throw error;
        await sleep(wait * 1000);
      }
    }
  }

  /**
   * Tells `handle` everything that happens to the user, in order, across reconnections without loss or repeat. First comes
   * `MatchSnapshot`: from then on nothing is missed, so query now. After `ResyncRequired` query again. `failed` is told of the end.
   */
  follow(handle: (event: Event) => void, failed: (error: unknown) => void): void {
    this.#socket.subscribe<{ events: Event }>(
      { query: EVENTS.text },
      {
        next: ({ data }) => {
          if (!data) return;
          handle(data.events);
          this.#cursor = data.events.cursor;
        },
        error: failed,
        complete: () => {},
      },
    );
  }

  /** Tears the connection as a lost network does; what is followed goes on by itself. */
  disconnect(): void {
    this.#socket.terminate();
  }

  /** For good. */
  async close(): Promise<void> {
    await this.#socket.dispose();
  }

  async #accessToken(): Promise<string> {
    if (Date.parse(this.#session.accessTokenExpiresAt) - Date.now() < MARGIN_MS) {
      this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
      await this.#refreshing;
    }
    return this.#session.accessToken;
  }

  async #refresh(): Promise<void> {
    const { refreshToken } = this.#session;
    const data = await post(this.#server, REFRESH, { input: { refreshToken } });
    this.#session = succeeded(data.refreshSession).session; // a browser stores it: a refresh token is good once
  }

  #expire(): void {
    this.#session = { ...this.#session, accessTokenExpiresAt: new Date(0).toISOString() };
  }
}

async function post<Data, Variables>(
  server: string,
  operation: Operation<Data, Variables>,
  variables: Variables,
  token?: string,
): Promise<Data> {
  const response = await fetch(`${server}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json',
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query: operation.text, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data | null; errors?: readonly TopLevelError[] };
  if (errors || !data) throw new GraphQLErrors(errors ?? [{ message: `HTTP ${response.status}` }]);
  return data;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

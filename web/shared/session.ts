/** Who is signed in: tokens that are kept before they are used, and renewed one at a time. No socket here. */

import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { stringifyDocument } from '@urql/core';

import { Failure, failureOf, SessionEnded, type TopLevelError } from './failures.ts';
import {
  RefreshSessionDocument,
  type SessionPartsFragment,
  type SessionScope,
  SignInAnonymouslyDocument,
  SignInOperatorDocument,
  SignOutDocument,
} from './generated.ts';

const DEVICE_KEY = 'parley.device';
/** By this device's clock alone, which may be wrong: 14 of the access token's 15 minutes. */
const FRESH_MS = 14 * 60_000;
const DEADLINE_MS = 30_000;

interface Kept {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly scope: SessionScope;
  readonly user: { readonly id: string; readonly displayName: string };
  /** When the access token came, in milliseconds of this device's clock; 0 once it is known to be no good. */
  readonly madeAt: number;
}

/**
 * One account of this browser, kept in `storage` under `key`: it outlives the page, and pages that use the same key share it.
 * `url` is that of GraphQL over HTTP.
 */
export class Session {
  readonly url: string;
  readonly key: string;
  /** Of the last event that was handled: what a new socket goes on from. */
  cursor: string | undefined;
  /** Called when the session may do something else than before, or has ended (null). */
  scopeChanged: (scope: SessionScope | null) => void = () => {};
  readonly #storage: Storage;
  #refreshing: Promise<void> | undefined;

  constructor(url: string, key: string, storage: Storage = localStorage) {
    this.url = url;
    this.key = key;
    this.#storage = storage;
  }

  /** Null when nobody is signed in. */
  get user(): { readonly id: string; readonly displayName: string } | null {
    return this.#kept?.user ?? null;
  }

  /** What the session may do, as of the last sign-in or refresh; null when nobody is signed in. */
  get scope(): SessionScope | null {
    return this.#kept?.scope ?? null;
  }

  /** Makes an account. Null, or the server's word on a name that it does not take. Throws `Failure`. */
  async signIn(displayName: string): Promise<string | null> {
    const deviceToken = this.#storage.getItem(DEVICE_KEY);
    const { signInAnonymously: made } = await this.#post(SignInAnonymouslyDocument, {
      input: { displayName, deviceToken },
    });
    if (made.__typename === 'InvalidInputError') return made.message;
    this.#storage.setItem(DEVICE_KEY, made.deviceToken);
    this.cursor = undefined;
    this.#keep(made.session);
    return null;
  }

  /** Signs an operator in with the token that the command line printed: whether it is good. Throws `Failure`. */
  async signInOperator(token: string): Promise<boolean> {
    const { signInOperator: made } = await this.#post(SignInOperatorDocument, { input: { token } });
    if (made.__typename !== 'SignInOperatorSuccess') return false;
    this.cursor = undefined;
    this.#keep(made.session);
    return true;
  }

  /** An access token that is good for a minute more. Throws `SessionEnded`; what else it throws passes. */
  async token(): Promise<string> {
    if (!this.#fresh) {
      this.#refreshing ??= this.#alone(() => this.#refresh()).finally(() => {
        this.#refreshing = undefined;
      });
      await this.#refreshing;
    }
    const kept = this.#kept;
    if (kept === null) throw new SessionEnded('Nobody is signed in.');
    return kept.accessToken;
  }

  /** The access token is not taken any more, whatever its age: the next `token` is another. */
  expire(): void {
    const kept = this.#kept;
    if (kept !== null) this.#store({ ...kept, madeAt: 0 });
  }

  /** The account has another name now. */
  renamed(displayName: string): void {
    const kept = this.#kept;
    if (kept !== null) this.#store({ ...kept, user: { ...kept.user, displayName } });
  }

  /** Ends the session here and at the server; here also if the server cannot be asked. */
  async signOut(): Promise<void> {
    try {
      await this.#post(SignOutDocument, {}, await this.token());
    } catch (error) {
      if (!(error instanceof SessionEnded || error instanceof Failure)) throw error;
    } finally {
      this.forget();
    }
  }

  /** The session is over, or its account is gone: nothing of it stays but the device's token. */
  forget(): void {
    const was = this.scope;
    this.#storage.removeItem(this.key);
    this.cursor = undefined;
    if (was !== null) this.scopeChanged(null);
  }

  get #fresh(): boolean {
    const kept = this.#kept;
    return kept !== null && Math.abs(Date.now() - kept.madeAt) < FRESH_MS;
  }

  async #refresh(): Promise<void> {
    if (this.#fresh) return; // Another page that shares the session was faster.
    const refreshToken = this.#kept?.refreshToken;
    if (refreshToken === undefined) throw new SessionEnded('Nobody is signed in.');
    const { refreshSession: made } = await this.#post(RefreshSessionDocument, { input: { refreshToken } });
    if (made.__typename !== 'RefreshSessionSuccess') {
      this.forget();
      throw new SessionEnded(made.message);
    }
    this.#keep(made.session);
  }

  /** One at a time in all pages that share the session, where the browser has locks (it has none over plain http). */
  #alone(work: () => Promise<void>): Promise<void> {
    const { locks } = globalThis.navigator ?? {};
    return locks ? locks.request(`${this.key}.refresh`, work) : work();
  }

  #post<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    token?: string,
  ): Promise<Data> {
    return post(this.url, document, variables, token);
  }

  get #kept(): Kept | null {
    const text = this.#storage.getItem(this.key);
    return text === null ? null : (JSON.parse(text) as Kept);
  }

  #keep({ accessToken, refreshToken, scope, user }: SessionPartsFragment): void {
    const was = this.scope;
    const { id, displayName } = user;
    this.#store({ accessToken, refreshToken, scope, user: { id, displayName }, madeAt: Date.now() });
    if (was !== scope) this.scopeChanged(scope);
  }

  #store(kept: Kept): void {
    this.#storage.setItem(this.key, JSON.stringify(kept));
  }
}

/** One operation over HTTP, by itself, perhaps of somebody who is not signed in. Throws `Failure`. */
export async function post<Data, Variables>(
  url: string,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  token?: string,
): Promise<Data> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/graphql-response+json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const body = JSON.stringify({ query: stringifyDocument(document), variables });
  let answer: { readonly data?: Data | null; readonly errors?: readonly TopLevelError[] };
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(DEADLINE_MS) });
    answer = await response.json();
  } catch (error) {
    throw new Failure('NETWORK', String(error));
  }
  if (answer.errors) throw failureOf(answer.errors);
  if (!answer.data) throw new Failure('NETWORK', 'The answer is empty.');
  return answer.data;
}

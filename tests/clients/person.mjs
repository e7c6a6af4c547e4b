/** Somebody who uses a client: signs in, acts, and reads what comes, each with a deadline. */

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers'; // which hurried.mjs leaves alone

import { EVENTS, SIGN_IN } from './documents.mjs';

/** For each thing that is waited for. Generous: the machine may stand still for seconds. */
const DEADLINE_MS = 25_000;

/** What accompanies the events that a scenario is about. */
const ASIDE = ['QueueJoined', 'MemberLeft'];

/** Rejects when `promise` takes longer than the deadline. */
export async function within(promise, what, milliseconds = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${milliseconds} ms: ${what}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a subscription brings, in order: `next` of the following one, `end` of all, and what was told so far for failures. */
export class Stream {
  #waiting = [];
  #come = [];
  #told = [];

  constructor(subscribe) {
    this.stop = subscribe({
      next: (data) => this.#put({ data }),
      error: (error) => this.#put({ error }),
      complete: () => this.#put({ done: true }),
    });
  }

  /** The next one, as `{data}`, `{error}` or `{done}`. */
  take(what = 'what a subscription brings') {
    if (this.#come.length > 0) return this.#come.shift();
    const come = new Promise((resolve) => this.#waiting.push(resolve));
    return within(come, `${what}, after ${JSON.stringify(this.#told)}`);
  }

  /** The data of the next one, which must not be an error or the end. */
  async next(what) {
    const { data, error, done } = await this.take(what);
    if (error) throw error;
    assert(!done, `completed, before ${what}`);
    return data;
  }

  #put(one) {
    this.#told.push(one.data ? Object.values(one.data)[0]?.__typename : Object.keys(one)[0]);
    const waits = this.#waiting.shift();
    if (waits) waits(one);
    else this.#come.push(one);
  }
}

export class Person {
  #connect;
  #url;
  session;
  /** That of the last event which was read. */
  cursor;

  /** `connect` is one of a client's `transports`. */
  constructor(connect, url) {
    this.#connect = connect;
    this.#url = url;
  }

  /** Signs in by a connection on which nobody is, and goes on with one of their own. */
  async signIn(displayName) {
    const stranger = this.open({});
    const { signInAnonymously: answer } = await within(stranger.run(SIGN_IN, { input: { displayName } }), 'signing in');
    assert.equal(answer.__typename, 'SignInAnonymouslySuccess');
    assert.equal(answer.session.user.displayName, displayName);
    await stranger.close();
    this.session = answer.session;
    this.connection = this.open(this.credentials());
  }

  /** What this person puts into `connection_init` or the headers. */
  credentials(token = this.session.accessToken) {
    return { authorization: `Bearer ${token}` };
  }

  /** A connection with these credentials. `options` are for clients that have them; none is what everybody else gets. */
  open(credentials, options = {}) {
    return this.#connect({ url: this.#url, credentials: () => credentials, options });
  }

  run(document, variables = {}) {
    return within(this.connection.run(document, variables), document.trim().slice(0, 40));
  }

  follow(document, variables = {}) {
    return new Stream((sink) => this.connection.follow(document, variables, sink));
  }

  /** Follows `events`, from now on: when it returns, nothing is missed any more. */
  async arrive() {
    this.events = this.follow(EVENTS);
    await this.sees('MatchSnapshot');
  }

  /** The next event that is `kind`; those of which the person knows anyway may come before it. */
  async sees(kind) {
    for (;;) {
      const { events: event } = await this.events.next(kind);
      this.cursor = event.cursor;
      if (event.__typename === kind) return event;
      assert(ASIDE.includes(event.__typename), `${event.__typename} came instead of ${kind}`);
    }
  }

  async leave() {
    this.events?.stop();
    await this.connection.close();
  }
}

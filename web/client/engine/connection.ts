/** The account of this tab and its one socket: signed in, suspended, lost, taken by another tab, over. */

import { type Api, type Asking, openApi } from '../../shared/api.ts';
import { Failure, inWords, SessionEnded } from '../../shared/failures.ts';
import type { SessionScope } from '../../shared/generated.ts';
import { Session } from '../../shared/session.ts';
import { takeSlot } from '../../shared/slots.ts';
import { EventsDocument, StatsDocument } from '../generated.ts';
import type { Event } from './parts.ts';
import type { Store } from './store.ts';

const SLOT = 'parley.account';
const PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 30_000;

/** What the rest of the engine does about the account. */
export interface Parts {
  /** The account may do everything: events come from now on. */
  opened(accountId: string): void;
  /** It may only appeal: no event comes. */
  suspended(accountId: string): void;
  /** Nobody is signed in any more, and what was kept for that account is of no use. `problem` is for a person. */
  closed(problem: string | null): void;
  /** One after the other, in order. */
  event(event: Event): Promise<void> | void;
}

export class Connection {
  readonly #store: Store;
  readonly #parts: Parts;
  #session: Session | undefined;
  #api: Api | undefined;
  #unfollow: (() => void)[] = [];
  /** How often the socket was closed for good since the last event. */
  #faults = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #signedIn = false;
  /** The person ended the session: that needs no explanation. */
  #leaving = false;

  constructor(store: Store, parts: Parts) {
    this.#store = store;
    this.#parts = parts;
  }

  /** Whether this tab had an account before a reload. */
  static get expected(): boolean {
    const slot = sessionStorage.getItem(SLOT);
    return slot !== null && localStorage.getItem(slot) !== null;
  }

  /** Goes on with the account of last time, if there is one. */
  readonly started: Promise<void> = Promise.resolve().then(async () => {
    const session = new Session(`${location.origin}/graphql`, await takeSlot(SLOT));
    this.#session = session;
    session.scopeChanged = (scope) => this.#scopeChanged(scope);
    this.#scopeChanged(session.scope);
  });

  /** Null, or why not. */
  async signIn(displayName: string): Promise<string | null> {
    await this.started;
    return this.#session!.signIn(displayName);
  }

  /** Ends the session; `work` is what ends it at the server. */
  async leave(work: () => Promise<unknown>): Promise<void> {
    this.#leaving = true;
    try {
      await work();
      this.#session?.forget();
    } finally {
      this.#leaving = false;
    }
  }

  async signOut(): Promise<void> {
    await this.leave(async () => this.#session?.signOut());
  }

  renamed(displayName: string): void {
    this.#session?.renamed(displayName);
    this.#showAccount();
  }

  readonly ask: Api['ask'] = (document, variables, asking?: Asking) => {
    if (this.#api === undefined) return Promise.reject(new Failure('NETWORK', 'There is no socket.'));
    return this.#api.ask(document, variables, asking);
  };

  /** Does it between two events, so that none that comes meanwhile is lost on a room that is just being entered. */
  inTurn<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** The session may have another scope by now: asks. */
  refresh(): void {
    this.#session?.expire();
    this.#api?.reconnect();
  }

  #scopeChanged(scope: SessionScope | null): void {
    this.#showAccount();
    const user = this.#session?.user ?? null;
    for (const stop of this.#unfollow.splice(0)) stop();
    if (scope === null || user === null) {
      const surprising = this.#signedIn && !this.#leaving;
      this.#signedIn = false;
      this.#close();
      this.#parts.closed(surprising ? inWords(new SessionEnded()) : null);
      return;
    }
    this.#signedIn = true;
    this.#api ??= this.#open(this.#session!);
    if (scope === 'APPEAL_ONLY') {
      this.#parts.suspended(user.id);
    } else {
      this.#parts.opened(user.id);
      this.#follow(this.#api);
    }
  }

  #open(session: Session): Api {
    return openApi(session, {
      connection: (now) => this.#store.set({ connection: now }),
      ended: (why) => this.#ended(why),
    });
  }

  #close(): void {
    this.#api?.close();
    this.#api = undefined;
    this.#store.set({ connection: 'none' });
  }

  #ended(why: SessionEnded | Failure): void {
    for (const stop of this.#unfollow.splice(0)) stop();
    this.#close();
    if (why instanceof SessionEnded) {
      this.#session?.forget();
      return;
    }
    if (why.code === '4429') {
      this.#store.notice('bad', 'This account is open in another tab. Reload the page to use it here.');
      return;
    }
    // A fault of the server's, or a frame that it does not take: once more, and ever more seldom.
    this.#store.set({ connection: 'lost' });
    const pause = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** this.#faults++);
    setTimeout(() => this.#api ?? this.#scopeChanged(this.#session?.scope ?? null), pause);
  }

  #follow(api: Api): void {
    const session = this.#session!;
    this.#unfollow = [
      api.follow(
        EventsDocument,
        {},
        ({ events }) => {
          session.cursor = events.cursor;
          this.#faults = 0;
          this.inTurn(() => this.#parts.event(events)).catch((error) => this.#store.notice('bad', inWords(error)));
        },
        (why) => this.#again(api, why),
      ),
      api.follow(
        StatsDocument,
        {},
        ({ stats }) => this.#store.set({ stats }),
        () => {}, // Figures for the lobby: those of last time stay, and `events` finds the way back for both.
      ),
    ];
  }

  /** `events` ended by itself, with the socket (of which the API tells) or on its own. */
  #again(api: Api, why: Failure | SessionEnded): void {
    const retryAfter = why instanceof Failure ? why.retryAfter : undefined;
    if (why instanceof Failure && why.code === 'BAD_USER_INPUT') this.#session!.cursor = undefined;
    setTimeout(
      () => {
        if (this.#api !== api || this.#session?.scope !== 'FULL') return;
        for (const stop of this.#unfollow.splice(0)) stop();
        api.reconnect(); // So that the cursor counts.
        this.#follow(api);
      },
      retryAfter === undefined ? PAUSE_MS : retryAfter * 1000,
    );
  }

  #showAccount(): void {
    const user = this.#session?.user;
    this.#store.set({ account: user ? { id: user.id, displayName: user.displayName } : null });
  }
}

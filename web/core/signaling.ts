/**
 * Peer connections over Parley's signals, free of any framework: copy this file.
 *
 * Make a `Peer` for every other member of a room, give it the signals of that member (`SignalReceived` in `events`), and add tracks to
 * its connection. It does the rest: perfect negotiation (https://www.w3.org/TR/webrtc/#perfect-negotiation-example), candidates in
 * batches and in order, retries, ICE restarts, and new connections with somebody who reloaded their page. `follow` tells everything
 * that happens to the user once and in order, across reconnections.
 */

export type HangUpReason = 'ENDED' | 'DECLINED' | 'BUSY' | 'FAILED';

/** What `SignalReceived.signal` holds: select all of it. */
export type Signal =
  | { readonly __typename: 'Offer'; readonly sdp: string }
  | { readonly __typename: 'Answer'; readonly sdp: string }
  | {
      readonly __typename: 'IceCandidates';
      readonly candidates: readonly RTCIceCandidateInit[];
      readonly endOfCandidates: boolean;
    }
  | { readonly __typename: 'HangUp'; readonly reason: HangUpReason };

/** `SignalInput` of the schema. */
export type SignalInput =
  | { offer: { sdp: string } }
  | { answer: { sdp: string } }
  | { candidates: { candidates: Required<RTCIceCandidateInit>[]; endOfCandidates: boolean } }
  | { hangUp: { reason: HangUpReason } };

/** To be thrown by `send` when the server said no (`NotFoundError`, `InvalidInputError`, FORBIDDEN, …): that signal is given up. */
export class Refused extends Error {}

export interface PeerOptions {
  /** `Member.polite` of the other member. */
  readonly polite: boolean;
  /** `iceConfiguration` of the room as it is now: asked before the first offer and before every ICE restart, until it answers. */
  readonly configuration: () => Promise<Pick<RTCConfiguration, 'iceServers' | 'iceTransportPolicy'>>;
  /**
   * `sendSignal` to the other member; resolves once the server took it. Whatever it throws but `Refused` is tried again with the same
   * IDs: after `retryAfter` seconds if the error has that, else a little later each time. One is under way at a time.
   */
  readonly send: (signal: SignalInput, ids: { callId: string; clientSignalId: string }) => Promise<unknown>;
  /**
   * Told of every connection before it negotiates: of the first one while the `Peer` is made, of another when the old one is past
   * mending or the other side has made a new one. Add tracks here, and listen for `track` and `connectionstatechange`.
   */
  readonly opened: (connection: RTCPeerConnection) => void;
  /** The other side ended the call; the connection is closed. It may call again. */
  readonly hungUp?: (reason: HangUpReason) => void;
  /** What went wrong and was mended, or is being: for a log. */
  readonly fault?: (error: unknown) => void;
}

/** `IceCandidatesInput` may hold so many. */
const BATCH = 64;
/** Candidates that wait for their description, at most. */
const HELD = 256;
/** The impolite side offers first. Whoever reloaded the page waits so long in vain for it, and then offers. */
const PATIENCE_MS = 2_000;
/** Most interruptions pass by themselves. The sides wait for different times, so that one of them restarts. */
const INTERRUPTED_MS = { impolite: 2_000, polite: 4_000 };
/** The other side may begin so many calls at once, and one more after each pause: every one makes a connection and asks the server. */
const CALLS = 8;
const CALL_MS = 2_000;
/** So many calls that are over are known as such. */
const GONE = 256;
/** After so many ICE restarts in vain the connection is made anew. */
const RESTARTS = 3;

interface Outgoing {
  readonly signal: SignalInput;
  readonly ids: { callId: string; clientSignalId: string };
}

interface Held {
  readonly callId: string | null;
  readonly candidate: RTCIceCandidateInit | null;
}

/** The connection to one other member. */
export class Peer {
  /** The present one: `opened` was told of it. */
  connection!: RTCPeerConnection;
  /** Names the present connection on every signal: those of one that is gone are dropped. */
  callId!: string;

  readonly #options: PeerOptions;
  readonly #gone = new Set<string>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #alarm: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** What is done to the connection is done one after the other: an offer is being made, or a signal is being handled, never both. */
  #turn: Promise<unknown> = Promise.resolve();
  #configured: Promise<void> = Promise.resolve();
  #outbox: Outgoing[] = [];
  #pumping = false;
  #underWay: Promise<unknown> = Promise.resolve();
  #held: Held[] = [];
  /** The offer that came last: those before it, if they wait still, were taken back. */
  #newest: Signal | undefined;
  #calls = { left: CALLS, at: Date.now() };
  /** The last description that came, and the offer that was made last. */
  #heard: string | undefined;
  #offered: string | undefined;
  /**
   * The polite side's offer, until it is answered: only then is it set. One that collides is dropped, so that nothing is rolled
   * back: after a rollback Chromium 156 decodes what it receives, and neither shows nor plays it.
   */
  #draft: RTCSessionDescriptionInit | undefined;
  /** The other side's last offer collided with ours, and its candidates with it. */
  #ignoring = false;
  #restarts = 0;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#open(newId());
    if (options.polite) this.#wake(PATIENCE_MS, () => this.connection.remoteDescription ?? this.#renew());
    else this.#inTurn(() => this.connection.remoteDescription ?? this.#offer());
  }

  /** Of the other member, in the order in which they came. */
  receive({ callId, signal }: { readonly callId: string | null; readonly signal: Signal }): void {
    if (signal.__typename === 'Offer' && !(callId !== null && this.#gone.has(callId))) this.#newest = signal;
    this.#inTurn(() => {
      if (callId !== null && this.#gone.has(callId)) return undefined;
      if (signal.__typename === 'Offer' && signal !== this.#newest) return undefined;
      const ours = callId === null || callId === this.callId;
      if (signal.__typename === 'IceCandidates') {
        const candidates = signal.endOfCandidates ? [...signal.candidates, null] : signal.candidates;
        return this.#add(candidates.map((candidate) => ({ callId, candidate })));
      }
      if (signal.__typename === 'Offer') return this.#answer(signal.sdp, ours ? this.callId : callId);
      if (!ours) return undefined;
      return signal.__typename === 'HangUp' ? this.#end(signal.reason) : this.#accept(signal.sdp);
    });
  }

  /** Restarts ICE now, with fresh servers; calls anew where there is nothing to restart. It happens by itself when the network fails. */
  restart(): void {
    const { connection } = this;
    if (connection.signalingState === 'closed' || !connection.remoteDescription) {
      this.#renew();
    } else {
      void this.#configure(connection).then(() => {
        if (connection.signalingState !== 'closed') connection.restartIce(); // then negotiation is needed
      });
    }
  }

  /** Closes, and tells the other side: once, since whoever leaves cannot wait. */
  async hangUp(reason: HangUpReason = 'ENDED'): Promise<void> {
    if (this.#closed) return;
    this.close();
    try {
      await this.#underWay.catch(() => undefined);
      await this.#options.send({ hangUp: { reason } }, { callId: this.callId, clientSignalId: newId() });
    } catch (error) {
      this.#options.fault?.(error);
    }
  }

  /** For good, without a word. Nothing is called and nothing runs afterwards. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#alarm);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#outbox = [];
    this.#held = [];
    this.connection.close();
  }

  #open(callId: string): void {
    this.#leave(callId);
    this.#heard = undefined;
    this.#draft = undefined;
    this.#ignoring = false;
    this.connection?.close();
    const connection = new RTCPeerConnection();
    this.connection = connection;
    connection.onnegotiationneeded = () => {
      // The polite side does not begin.
      if (!this.#options.polite || connection.remoteDescription) this.#inTurn(() => this.#offer());
    };
    connection.onicecandidate = ({ candidate }) => this.#gathered(candidate);
    connection.onconnectionstatechange = () => this.#watch(connection.connectionState);
    this.#configured = this.#configure(connection);
    this.#options.opened(connection);
  }

  /** The call goes by another name from now on. */
  #leave(callId: string): void {
    if (this.callId) this.#forget(this.callId);
    this.#outbox = [];
    this.callId = callId;
  }

  #forget(callId: string): void {
    this.#gone.add(callId);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= GONE) break;
      this.#gone.delete(oldest);
    }
  }

  /** Whether the other side may begin a call now. */
  #allowed(): boolean {
    const now = Date.now();
    const left = Math.min(CALLS, this.#calls.left + (now - this.#calls.at) / CALL_MS);
    this.#calls = { left: left < 1 ? left : left - 1, at: now };
    return left >= 1;
  }

  #spent(): boolean {
    const { signalingState, localDescription, remoteDescription } = this.connection;
    return (
      signalingState === 'closed' ||
      localDescription !== null ||
      remoteDescription !== null ||
      this.#draft !== undefined
    );
  }

  #renew(): void {
    this.#inTurn(() => {
      if (this.#spent()) this.#open(newId());
      return this.#offer();
    });
  }

  async #offer(): Promise<void> {
    await this.#configured;
    if (this.connection.signalingState !== 'stable' || this.#draft) return; // negotiation is needed again once it is settled
    if (this.#options.polite) this.#draft = await this.connection.createOffer();
    else await this.connection.setLocalDescription();
    this.#offered = this.#draft?.sdp ?? this.connection.localDescription!.sdp;
    this.#post({ offer: { sdp: this.#offered } });
  }

  async #answer(sdp: string, callId: string): Promise<void> {
    if (sdp === this.#heard) return;
    const { polite } = this.#options;
    const collision = this.connection.signalingState === 'have-local-offer';
    if (callId === this.callId) {
      this.#ignoring = collision && !polite;
    } else if (!this.#allowed()) {
      this.#forget(callId);
      return this.#wake(CALL_MS, () => this.#renew()); // Once they are quiet they are called: perhaps something is broken there.
    } else if (collision && !polite && !this.connection.remoteDescription) {
      // Both called at once, and ours holds. The other side may have come back too late for our offer: that it knows it does no harm.
      this.#forget(callId);
      return this.#post({ offer: { sdp: this.#offered! } });
    } else if (this.#spent()) {
      this.#open(callId);
    } else {
      this.#leave(callId);
    }
    this.#heard = sdp;
    if (this.#ignoring) return;
    this.#draft = undefined;
    await this.connection.setRemoteDescription({ type: 'offer', sdp });
    await this.#add(this.#held.splice(0));
    await this.#configured;
    await this.connection.setLocalDescription();
    this.#post({ answer: { sdp: this.connection.localDescription!.sdp } });
  }

  async #accept(sdp: string): Promise<void> {
    const draft = this.#draft;
    if (sdp === this.#heard || !(draft || this.connection.signalingState === 'have-local-offer')) return;
    this.#heard = sdp;
    this.#ignoring = false;
    this.#draft = undefined;
    if (draft) await this.connection.setLocalDescription(draft);
    await this.connection.setRemoteDescription({ type: 'answer', sdp });
    await this.#add(this.#held.splice(0));
  }

  #end(reason: HangUpReason): void {
    this.#forget(this.callId);
    this.#outbox = [];
    clearTimeout(this.#alarm);
    this.connection.close();
    this.#options.hungUp?.(reason);
  }

  /** Those whose description has not come yet are held. */
  async #add(arrived: readonly Held[]): Promise<void> {
    for (const { callId, candidate } of arrived) {
      const ours = callId === null || callId === this.callId;
      const described = ours ? this.connection.remoteDescription?.sdp : undefined;
      const fragment = candidate?.usernameFragment;
      // Those of an answer that came before may be late, and nobody tells them again.
      if (ours && this.#ignoring && !(fragment && described?.includes(`a=ice-ufrag:${fragment}`))) continue;
      if (described === undefined || (fragment && !described.includes(`a=ice-ufrag:${fragment}`)))
        this.#held = [...this.#held.slice(1 - HELD), { callId, candidate }];
      else await this.connection.addIceCandidate(candidate).catch((error) => this.#options.fault?.(error));
    }
  }

  /** Candidates that come while a signal is under way go together in the next one. */
  #gathered(candidate: RTCIceCandidate | null): void {
    const last = this.#outbox.at(-1)?.signal;
    const open = last && 'candidates' in last && !last.candidates.endOfCandidates ? last.candidates : undefined;
    const batch = open && open.candidates.length < BATCH ? open : { candidates: [], endOfCandidates: false };
    if (candidate) {
      const { sdpMid, sdpMLineIndex, usernameFragment } = candidate;
      batch.candidates.push({ candidate: candidate.candidate, sdpMid, sdpMLineIndex, usernameFragment });
    } else {
      batch.endOfCandidates = true;
    }
    if (batch !== open) this.#post({ candidates: batch });
  }

  #post(signal: SignalInput): void {
    // A description takes the place of one that was not sent yet, but an offer not that of an answer: the other side waits for it.
    if (!('candidates' in signal))
      this.#outbox = this.#outbox.filter(
        ({ signal: before }) => 'candidates' in before || ('offer' in signal && 'answer' in before),
      );
    this.#outbox.push({ signal, ids: { callId: this.callId, clientSignalId: newId() } });
    if (!this.#pumping) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    for (let next = this.#outbox.shift(); next; next = this.#outbox.shift()) {
      const { signal, ids } = next;
      await this.#insist(
        () => !this.#gone.has(ids.callId),
        async () => {
          this.#underWay = this.#options.send(signal, ids);
          try {
            await this.#underWay;
          } catch (error) {
            if (!(error instanceof Refused)) throw error;
            this.#options.fault?.(error);
          }
        },
      );
    }
    this.#pumping = false;
  }

  /** TURN credentials expire, and direct candidates may be forbidden: nothing is gathered before it is known with what. */
  async #configure(connection: RTCPeerConnection): Promise<void> {
    const current = () => connection === this.connection && connection.signalingState !== 'closed';
    const configuration = await this.#insist(current, this.#options.configuration);
    if (current()) connection.setConfiguration({ ...connection.getConfiguration(), ...configuration });
  }

  /** Does it until it succeeds or nobody wants it any more. */
  async #insist<Result>(wanted: () => boolean, work: () => Promise<Result>): Promise<Result | undefined> {
    for (let tries = 0; wanted() && !this.#closed; tries++) {
      try {
        return await work();
      } catch (error) {
        const { retryAfter } = error as { retryAfter?: number };
        const seconds = retryAfter ?? Math.min(10, 0.25 * 2 ** tries) * (0.5 + Math.random() / 2);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(() => {
            this.#timers.delete(timer);
            resolve();
          }, seconds * 1000);
          this.#timers.add(timer);
        });
      }
    }
    return undefined;
  }

  #watch(state: RTCPeerConnectionState): void {
    clearTimeout(this.#alarm);
    const mend = () => (this.#restarts++ < RESTARTS ? this.restart() : this.#renew());
    if (state === 'connected') this.#restarts = 0;
    if (state === 'disconnected') this.#wake(INTERRUPTED_MS[this.#options.polite ? 'polite' : 'impolite'], mend);
    if (state === 'failed') this.#wake(this.#restarts && Math.min(30_000, 1000 * 2 ** this.#restarts), mend);
  }

  #wake(milliseconds: number, work: () => void): void {
    clearTimeout(this.#alarm);
    this.#alarm = setTimeout(work, milliseconds);
  }

  #inTurn(work: () => unknown): void {
    this.#turn = this.#turn
      .then(() => (this.#closed ? undefined : work()))
      .catch((error) => {
        if (this.#closed) return;
        this.#options.fault?.(error);
        this.#wake(1000 * 2 ** RESTARTS, () => this.#renew()); // The two sides may not agree any more on what was said.
      });
  }
}

/** 128 random bits; unlike `crypto.randomUUID` also where a page came over plain http. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What `follow` needs of a client of graphql-ws. */
export interface Subscriber {
  subscribe<Data>(
    request: { query: string },
    sink: {
      next(result: { data?: Data | null; errors?: readonly unknown[] }): void;
      error(error: unknown): void;
      complete(): void;
    },
  ): () => void;
}

/** How far the user's events have come: `connectionParams` hand it over as `after`. */
export interface Position {
  cursor?: string | undefined;
}

/**
 * Hands every event of the subscription `events` to `handle` once and in order, each when the one before is done with, until the session
 * ends: `ended` is told why. `client` reconnects by itself and asks for its `connectionParams` each time:
 * `() => ({ authorization, after: position.cursor })`. Returns what stops it.
 */
export function follow<Event extends { readonly cursor: string }>(
  client: Subscriber,
  query: string,
  position: Position,
  handle: (event: Event) => unknown,
  ended: (why: unknown) => void,
): () => void {
  let turn: Promise<unknown> = Promise.resolve();
  return client.subscribe<{ events: Event }>(
    { query },
    {
      next({ data, errors }) {
        if (!data) return ended(errors);
        position.cursor = data.events.cursor; // Of what came, since it waits here and not at the server.
        // What the handler throws neither tears the socket nor stops what comes next, and is not hidden either.
        turn = turn
          .then(() => handle(data.events))
          .catch((error) =>
            queueMicrotask(() => {
              throw error;
            }),
          );
      },
      error: ended,
      complete() {},
    },
  );
}

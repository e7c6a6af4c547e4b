/** The mesh: a peer connection to every other member. `core/signaling.ts` negotiates; here is what is sent and shown. */

import { Peer as Negotiation, Refused } from '../../core/signaling.ts';
import type { Api } from '../../shared/api.ts';
import { Failure } from '../../shared/failures.ts';
import { IceDocument, type MemberPartsFragment, SendSignalDocument, type SendSignalInput } from '../generated.ts';
import type { Peer } from '../state.ts';
import { Lanes } from './lanes.ts';
import type { Tracks } from './media.ts';
import type { EventOf } from './parts.ts';
import type { Store } from './store.ts';

/** What no repetition mends. */
const FINAL: readonly string[] = ['FORBIDDEN', 'NOT_FOUND', 'BAD_USER_INPUT', 'CONFLICT'];

interface Call {
  readonly polite: boolean;
  readonly negotiation: Negotiation;
  readonly lanes: () => Lanes;
}

export class Calls {
  readonly #store: Store;
  readonly #ask: Api['ask'];
  readonly #tracks: () => Tracks;
  readonly #calls = new Map<string, Call>();
  #roomId: string | null = null;

  constructor(store: Store, ask: Api['ask'], tracks: () => Tracks) {
    this.#store = store;
    this.#ask = ask;
    this.#tracks = tracks;
  }

  /** Calls everybody, or, in a room that was entered before, those whom it has not called yet. */
  enter(roomId: string, others: readonly MemberPartsFragment[]): void {
    if (this.#roomId !== roomId) this.leave();
    this.#roomId = roomId;
    const present = new Set(others.map(({ id }) => id));
    for (const memberId of [...this.#calls.keys()]) if (!present.has(memberId)) this.left(memberId);
    for (const member of others) this.joined(member);
  }

  joined({ id, polite, media }: MemberPartsFragment): void {
    const roomId = this.#roomId;
    const call = this.#calls.get(id);
    if (roomId === null || call?.polite === polite) return;
    call?.negotiation.close(); // They left and came back while nobody listened, and the sides of the pair are other ones now.
    let lanes: Lanes | undefined;
    const negotiation = new Negotiation({
      polite,
      configuration: () => this.#configuration(roomId),
      send: (signal, ids) => this.#send({ to: id, signal, ...ids }),
      opened: (connection) => {
        const present = new Lanes(connection, lanes);
        lanes = present;
        void present.send(this.#tracks());
        connection.addEventListener('connectionstatechange', () => void present.share(this.#calls.size));
        const show = (): void => this.#show(roomId, id, connectionOf(connection), present);
        connection.addEventListener('connectionstatechange', show);
        connection.addEventListener('track', show);
        show();
      },
      hungUp: () => this.#show(roomId, id, 'failed', lanes!),
    });
    this.#calls.set(id, { polite, negotiation, lanes: () => lanes! }); // `opened` was called by now.
    this.updated(id, media.screen);
    this.#share();
  }

  left(memberId: string): void {
    this.#calls.get(memberId)?.negotiation.close();
    if (this.#calls.delete(memberId)) this.#share();
    if (this.#roomId !== null)
      this.#store.setRoom(this.#roomId, ({ peers: { [memberId]: _, ...peers } }) => ({ peers }));
  }

  /** Whether they share a screen: the line for it is always there. */
  updated(memberId: string, screen: boolean): void {
    const lanes = this.#calls.get(memberId)?.lanes();
    if (lanes === undefined || this.#roomId === null) return;
    lanes.screenShown = screen;
    this.#store.setRoom(this.#roomId, ({ peers }) => {
      const peer = peers[memberId];
      return peer === undefined || peer.screen === lanes.screen
        ? {}
        : { peers: { ...peers, [memberId]: { ...peer, screen: lanes.screen } } };
    });
  }

  receive({ callId, sender, signal }: EventOf<'SignalReceived'>): void {
    this.#calls.get(sender.id)?.negotiation.receive({ callId, signal });
  }

  /** Sends what is to be sent now, without negotiating. */
  tracksChanged(): void {
    for (const { lanes } of this.#calls.values()) void lanes().send(this.#tracks());
  }

  restart(memberId: string): void {
    this.#calls.get(memberId)?.negotiation.restart();
  }

  leave(): void {
    for (const memberId of [...this.#calls.keys()]) this.left(memberId);
    this.#roomId = null;
  }

  #share(): void {
    for (const { lanes } of this.#calls.values()) void lanes().share(this.#calls.size);
  }

  #show(roomId: string, memberId: string, connection: Peer['connection'], lanes: Lanes): void {
    const peer = { connection, stream: lanes.stream, screen: lanes.screen };
    this.#store.setRoom(roomId, ({ peers }) => ({ peers: { ...peers, [memberId]: peer } }));
  }

  async #configuration(roomId: string): Promise<Pick<RTCConfiguration, 'iceServers' | 'iceTransportPolicy'>> {
    const { iceConfiguration } = await this.#ask(IceDocument, { roomId }, { over: 'socket' });
    if (iceConfiguration === null) throw new Error('The viewer is not in that room any more.');
    return {
      iceServers: iceConfiguration.servers.map(({ urls, username, credential }) => ({
        urls: [...urls],
        ...(username !== null && credential !== null ? { username, credential } : {}),
      })),
      iceTransportPolicy: iceConfiguration.relayOnly ? 'relay' : 'all',
    };
  }

  async #send(input: SendSignalInput): Promise<void> {
    try {
      const { sendSignal } = await this.#ask(SendSignalDocument, { input }, { over: 'socket' });
      if (sendSignal.__typename !== 'SendSignalSuccess') throw new Refused(sendSignal.__typename);
    } catch (error) {
      if (error instanceof Failure && FINAL.includes(error.code)) throw new Refused(error.message);
      throw error;
    }
  }
}

function connectionOf({ connectionState }: RTCPeerConnection): Peer['connection'] {
  switch (connectionState) {
    case 'connected':
    case 'failed':
      return connectionState;
    case 'disconnected':
      return 'interrupted';
    default:
      return 'connecting';
  }
}

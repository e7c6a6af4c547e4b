/** Somebody in a room with one other: their keys, and the API. What a front end shows, it is told. */

import { Keyring, type KeyringOptions } from '../core/keys/keyring.ts';
import type { RoomKeys } from '../core/keys/room.ts';
import type { KeyServer, Refusal, Sealed } from '../core/keys/types.ts';
import {
  ADD_ONE_TIME_PRE_KEYS,
  CLAIM_KEY_BUNDLE,
  CREATE_ROOM,
  type Event,
  JOIN_ROOM,
  KEYS,
  MESSAGES,
  type MessageEdge,
  PUBLISH_KEYS,
  ROOM,
  type Room,
  SEND_MESSAGE,
} from './operations.ts';
import { type Parley, Refused, succeeded } from './parley.ts';

/** What a front end is told. */
export type Note =
  | { readonly kind: 'live' }
  | { readonly kind: 'message'; readonly id: string; readonly text: string }
  | { readonly kind: 'refused'; readonly id: string; readonly reason: Refusal }
  | { readonly kind: 'identityChanged' }
  | { readonly kind: 'refilled' }
  | { readonly kind: 'failed'; readonly error: unknown };

/** What a person needs of the API. */
export type Api = Pick<Parley, 'run' | 'runSafely' | 'follow'>;

/** What the keys need of it. */
export function keyServer(api: Api): KeyServer {
  return {
    async claimKeyBundle(memberId, requestId) {
      const { claimKeyBundle } = await api.runSafely(CLAIM_KEY_BUNDLE, { input: { memberId, requestId } });
      try {
        return succeeded(claimKeyBundle).bundle;
      } catch (error) {
        if (error instanceof Refused && error.type === 'NoKeysError') return null;
        throw error;
      }
    },
    async publishKeys(input) {
      succeeded((await api.runSafely(PUBLISH_KEYS, { input })).publishKeys);
    },
    async addOneTimePreKeys(oneTimePreKeys) {
      succeeded((await api.runSafely(ADD_ONE_TIME_PRE_KEYS, { input: { oneTimePreKeys } })).addOneTimePreKeys);
    },
    async keys(roomId) {
      return (await api.runSafely(KEYS, { roomId })).keys ?? [];
    },
  };
}

export class Person {
  readonly #api: Api;
  readonly #account: string;
  readonly #tell: (note: Note) => void;
  #keyring: Keyring | undefined;
  #room: Room | undefined;
  #keys: RoomKeys | undefined;
  /** What is told once only: message IDs, and safety numbers of new identities. */
  readonly #told = new Set<string>();
  /** The cursor up to which every message was seen. */
  #seen: string | undefined;
  /** Events are handled one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(api: Api, account: string, tell: (note: Note) => void) {
    this.#api = api;
    this.#account = account;
    this.#tell = tell;
    api.follow(
      (event) => void this.#next(() => this.#handle(event)).catch((error: unknown) => tell({ kind: 'failed', error })),
      (error) => tell({ kind: 'failed', error }),
    );
  }

  get keys(): RoomKeys {
    if (this.#keys === undefined) throw new Error('Enter a room first.');
    return this.#keys;
  }

  /** The other's member ID. */
  get peer(): string {
    const [peer] = this.keys.members();
    if (peer === undefined) throw new Error('Nobody is here to talk to yet.');
    return peer.memberId;
  }

  /** For two people to compare by voice. */
  get safetyNumber(): string | null {
    return this.keys.members()[0]?.safetyNumber ?? null;
  }

  /** Once per device. */
  async publishKeys(options: KeyringOptions = {}): Promise<void> {
    this.#keyring = await Keyring.open(this.#account, keyServer(this.#api), options);
    await this.#keyring.publish('lasting');
  }

  /** Another device of the same person: they have nothing of the old one's secrets, and the people in the room are warned. */
  async replaceDevice(options: KeyringOptions): Promise<void> {
    await this.publishKeys(options);
    await this.#next(() => this.#enter(this.#room!));
  }

  /** Opens a room for two, and returns its invite code. */
  async createRoom(name: string): Promise<string> {
    return this.#next(async () => {
      const { room } = succeeded((await this.#api.run(CREATE_ROOM, { input: { name, capacity: 2 } })).createRoom);
      await this.#enter(room);
      return room.inviteCode ?? '';
    });
  }

  joinRoom(inviteCode: string): Promise<void> {
    return this.#next(async () => {
      await this.#enter(succeeded((await this.#api.run(JOIN_ROOM, { input: { inviteCode } })).joinRoom).room);
    });
  }

  /** Encrypts and sends. Throws `NobodyReads` when the other side has other keys than before: warn, then `keys.trust`. */
  async say(text: string): Promise<MessageEdge['node']> {
    const clientMessageId = crypto.randomUUID();
    return this.deliver(clientMessageId, await this.keys.encrypt(text, clientMessageId));
  }

  /** Sends what is encrypted already. It may be repeated: the server keeps the first of a client message ID. */
  async deliver(clientMessageId: string, { ciphertext, commitment }: Sealed): Promise<MessageEdge['node']> {
    const input = { roomId: this.keys.id, clientMessageId, ciphertext, commitment };
    return succeeded((await this.#api.runSafely(SEND_MESSAGE, { input })).sendMessage).edge.node;
  }

  /** The last messages, the newest first: how a screen is filled from below. The ratchet does not mind. */
  async history(last: number): Promise<string[]> {
    const { messages } = await this.#api.run(MESSAGES, { roomId: this.keys.id, last });
    const texts: string[] = [];
    for (const edge of [...(messages?.edges ?? [])].reverse()) texts.push(await this.#read(edge));
    return texts;
  }

  /** When everything that has happened was handled. */
  settled(): Promise<void> {
    return this.#last;
  }

  async #enter(room: Room): Promise<void> {
    if (room.me === null || this.#keyring === undefined) throw new Error('Publish keys, and do not leave the room.');
    this.#room = room;
    const me = room.me.id;
    const others = room.members.map((member) => member.id).filter((id) => id !== me);
    this.#keys = await this.#keyring.room({ id: room.id, kind: 'INVITE', me, others }, () => this.#warn());
    this.#warn();
  }

  /** Runs it after everything that came before. */
  #next<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work);
    this.#last = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  async #handle(event: Event): Promise<void> {
    if (event.__typename === 'MatchSnapshot') this.#tell({ kind: 'live' });
    if (event.__typename === 'PreKeysLow') {
      await this.#keyring?.preKeysLow(event.remaining);
      this.#tell({ kind: 'refilled' });
    }
    if (this.#room === undefined || this.#keys === undefined) return;
    if (event.__typename === 'ResyncRequired') await this.#catchUp(this.#room.id);
    if (!('room' in event) || event.room.id !== this.#room.id) return;
    switch (event.__typename) {
      case 'MemberJoined':
        await this.#keys.memberJoined(event.member.id);
        break;
      case 'KeysPublished':
        await this.#keys.keysPublished({ memberId: event.member.id, identityChanged: event.identityChanged });
        break;
      case 'MessageSent':
        await this.#read(event.edge);
        this.#seen = event.edge.cursor;
        break;
    }
  }

  /** Whether it comes as an event, in a page of the history or in both: a message is told once. */
  async #read({ node }: MessageEdge): Promise<string> {
    const reading = await this.keys.read(node);
    if (node.sender.id !== this.keys.me && !this.#told.has(node.id)) {
      this.#told.add(node.id);
      if ('refused' in reading) this.#tell({ kind: 'refused', id: node.id, reason: reading.refused });
      else this.#tell({ kind: 'message', id: node.id, text: reading.text });
    }
    return 'refused' in reading ? `(${reading.refused})` : reading.text;
  }

  #warn(): void {
    for (const { state, safetyNumber } of this.#keys?.members() ?? []) {
      if (state !== 'changed' || this.#told.has(safetyNumber!)) continue;
      this.#told.add(safetyNumber!);
      this.#tell({ kind: 'identityChanged' });
    }
  }

  /** What came while nobody listened, and is not in the inbox any more: who is in the room, with which keys, and what was said. */
  async #catchUp(roomId: string): Promise<void> {
    const { room } = await this.#api.run(ROOM, { roomId });
    if (room === null) throw new Error('The room is closed, or you are not in it any more.');
    await this.#enter(room);
    for (let more = true; more; ) {
      const after = this.#seen === undefined ? {} : { after: this.#seen };
      const { messages } = await this.#api.run(MESSAGES, { roomId, first: 100, ...after });
      for (const edge of messages?.edges ?? []) await this.#read(edge);
      this.#seen = messages?.pageInfo.endCursor ?? this.#seen;
      more = messages?.pageInfo.hasNextPage ?? false;
    }
  }
}

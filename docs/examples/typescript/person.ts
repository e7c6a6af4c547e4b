/** Somebody in a room with one other: their device, their chat, and the API between the two. What a front end shows, it is told. */

import { equalBytes } from '@noble/curves/utils.js';

import { fromBase64 } from './bytes.ts';
import { Chat, IdentityChanged } from './chat.ts';
import { Device } from './device.ts';
import {
  ADD_ONE_TIME_PRE_KEYS,
  CLAIM_KEY_BUNDLE,
  CREATE_ROOM,
  JOIN_ROOM,
  MESSAGES,
  PUBLISH_KEYS,
  ROOM_STATE,
  SEND_MESSAGE,
  type Event,
  type Message,
  type MessageEdge,
  type Room,
} from './operations.ts';
import { succeeded, type Parley } from './parley.ts';

/** What a front end is told. */
export type Note =
  | { readonly kind: 'live' }
  | { readonly kind: 'message'; readonly id: string; readonly text: string }
  | { readonly kind: 'refused'; readonly id: string; readonly error: unknown }
  | { readonly kind: 'identityChanged' }
  | { readonly kind: 'refilled'; readonly oneTimePreKeyCount: number }
  | { readonly kind: 'failed'; readonly error: unknown };

/** What a person needs of the API. */
export type Api = Pick<Parley, 'run' | 'runSafely' | 'follow'>;

export class Person {
  readonly api: Api;
  device = new Device();
  readonly #tell: (note: Note) => void;
  readonly #oneTimeKeys: number;
  #room: Room | undefined;
  #chat: Chat | undefined;
  #starting: Promise<void> | undefined;
  /** Names a claim until its session has begun: asked again, the server gives the same keys and uses up no others. */
  #claim: string | undefined;
  /** Texts by message ID, own ones too; null for what was refused. A message decrypts only once, an own one never: keep them. */
  readonly #texts = new Map<string, string | null>();
  /** The cursor up to which every message was seen. */
  #seen: string | undefined;

  constructor(api: Api, tell: (note: Note) => void, oneTimeKeys = 100) {
    this.api = api;
    this.#tell = tell;
    this.#oneTimeKeys = oneTimeKeys;
    api.follow(
      (event) => this.#handle(event),
      (error) => tell({ kind: 'failed', error }),
    );
  }

  get chat(): Chat {
    if (this.#chat === undefined) throw new Error('Nobody is here to talk to yet.');
    return this.#chat;
  }

  get room(): Room {
    if (this.#room === undefined) throw new Error('Enter a room first.');
    return this.#room;
  }

  /** Once per device; it replaces what was published before. */
  async publishKeys(): Promise<void> {
    const input = this.device.bundle(this.#oneTimeKeys);
    succeeded((await this.api.run(PUBLISH_KEYS, { input })).publishKeys);
  }

  /** Another device of the same person: they have nothing of the old one's secrets, and the people in the room are warned. */
  async replaceDevice(): Promise<void> {
    this.device = new Device();
    await this.publishKeys();
    const { me, peer } = this.chat;
    this.#chat = new Chat(this.device, this.room.id, me, peer);
  }

  /** Opens a room for two, and returns its invite code. */
  async createRoom(name: string): Promise<string> {
    const { room } = succeeded((await this.api.run(CREATE_ROOM, { input: { name, capacity: 2 } })).createRoom);
    this.#enter(room);
    return room.inviteCode ?? '';
  }

  async joinRoom(inviteCode: string): Promise<void> {
    this.#enter(succeeded((await this.api.run(JOIN_ROOM, { input: { inviteCode } })).joinRoom).room);
  }

  /** Encrypts and sends. Throws `IdentityChanged` when the other side has other keys than before: warn, then `chat.trust`. */
  async say(text: string): Promise<Message> {
    if (!this.chat.started) await (this.#starting ??= this.#start().finally(() => (this.#starting = undefined)));
    const draft = { roomId: this.room.id, clientMessageId: crypto.randomUUID(), ...this.chat.encrypt(text) };
    const message = await this.deliver(draft);
    this.#texts.set(message.id, text);
    return message;
  }

  /** Sends what is encrypted already. It may be repeated: the server keeps the first of a client message ID. */
  async deliver(draft: Parameters<(typeof SEND_MESSAGE)['types'] & {}>[0]['input']): Promise<Message> {
    return succeeded((await this.api.runSafely(SEND_MESSAGE, { input: draft })).sendMessage).edge.node;
  }

  /** The last messages, the newest first: how a screen is filled from below. The ratchet does not mind. */
  async history(last: number): Promise<string[]> {
    const { messages } = await this.api.run(MESSAGES, { roomId: this.room.id, last });
    const newestFirst = [...(messages?.edges ?? [])].reverse();
    for (const edge of newestFirst) this.#read(edge);
    return newestFirst.map((edge) => this.#texts.get(edge.node.id) ?? '(not for this device)');
  }

  #enter(room: Room): void {
    this.#room = room;
    const peer = room.members.find((member) => member.id !== room.me?.id);
    if (peer !== undefined) this.#meet(peer.id);
  }

  #meet(peer: string): void {
    if (this.room.me === null) throw new Error('You have left the room.');
    this.#chat ??= new Chat(this.device, this.room.id, this.room.me.id, peer);
  }

  async #start(): Promise<void> {
    const input = { memberId: this.chat.peer, requestId: (this.#claim ??= crypto.randomUUID()) };
    const claimed = await this.api.runSafely(CLAIM_KEY_BUNDLE, { input });
    this.chat.start(succeeded(claimed.claimKeyBundle).bundle);
    this.#claim = undefined;
  }

  #handle(event: Event): void {
    switch (event.__typename) {
      case 'MatchSnapshot':
        this.#tell({ kind: 'live' });
        break;
      case 'ResyncRequired':
        this.#alone(this.#catchUp());
        break;
      case 'MemberJoined':
        if (event.room.id === this.#room?.id && event.member.id !== this.#room.me?.id) this.#meet(event.member.id);
        break;
      case 'MessageSent':
        if (event.room.id !== this.#room?.id) break;
        this.#read(event.edge);
        this.#seen = event.edge.cursor;
        break;
      case 'KeysPublished':
        if (event.member.id !== this.#chat?.peer) break;
        this.#claim = undefined; // it was for what they had published before
        if (event.identityChanged) this.#warn();
        break;
      case 'PreKeysLow':
        this.#alone(this.#refill(this.#oneTimeKeys - event.remaining));
        break;
    }
  }

  /** Whether it comes as an event, in a page of the history or in both: a message is read once. */
  #read({ node }: MessageEdge): void {
    if (node.sender.id !== this.#chat?.peer || this.#texts.has(node.id)) return;
    try {
      const { text } = this.chat.decrypt(node);
      this.#texts.set(node.id, text);
      this.#tell({ kind: 'message', id: node.id, text });
    } catch (error) {
      if (!(error instanceof IdentityChanged)) this.#texts.set(node.id, null); // else it can be read once they are trusted
      this.#tell({ kind: 'refused', id: node.id, error });
    }
  }

  #warn(): void {
    this.chat.pause();
    this.#tell({ kind: 'identityChanged' });
  }

  /** What came while nobody listened, and is not in the inbox any more: who is in the room, with which keys, and what was said. */
  async #catchUp(): Promise<void> {
    if (this.#room === undefined) return;
    const { room, keys } = await this.api.run(ROOM_STATE, { roomId: this.#room.id });
    if (room === null) throw new Error('The room is closed, or you are not in it any more.');
    this.#enter(room);
    const known = this.#chat?.theirIdentity;
    const published = keys?.find((bundle) => bundle.member.id === this.#chat?.peer);
    if (known && published && !equalBytes(known, fromBase64(published.identityKey))) this.#warn();
    for (let more = true; more; ) {
      const after = this.#seen === undefined ? {} : { after: this.#seen };
      const { messages } = await this.api.run(MESSAGES, { roomId: room.id, first: 100, ...after });
      for (const edge of messages?.edges ?? []) this.#read(edge);
      this.#seen = messages?.pageInfo.endCursor ?? this.#seen;
      more = messages?.pageInfo.hasNextPage ?? false;
    }
  }

  async #refill(count: number): Promise<void> {
    const input = { oneTimePreKeys: this.device.moreKeys(count) };
    const { oneTimePreKeyCount } = succeeded(
      (await this.api.run(ADD_ONE_TIME_PRE_KEYS, { input })).addOneTimePreKeys,
    );
    this.#tell({ kind: 'refilled', oneTimePreKeyCount });
  }

  /** For what an event sets off while the next events are handled. */
  #alone(work: Promise<void>): void {
    work.catch((error: unknown) => this.#tell({ kind: 'failed', error }));
  }
}

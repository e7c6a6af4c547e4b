/** The chat of the room that is shown: what is said and read, in order, by `core/keys`. Nobody else sees a key or a plaintext. */

import type { Keyring } from '../../core/keys/keyring.ts';
import type { RoomKeys } from '../../core/keys/room.ts';
import type { Reading } from '../../core/keys/types.ts';
import type { Api } from '../../shared/api.ts';
import { Failure, inWords } from '../../shared/failures.ts';
import { randomId } from '../../shared/slots.ts';
import { type MessagePartsFragment, MessagesDocument } from '../generated.ts';
import type { Line } from '../state.ts';
import { added, noted, ordered } from './lines.ts';
import type { Evidence, Met } from './met.ts';
import { Outbox } from './outbox.ts';
import { type Inside, othersOf } from './parts.ts';
import type { Store } from './store.ts';

/** Of a room that was entered, so many messages are looked for. */
const HISTORY = 50;
/** So many of a sender with other keys wait for being trusted: each may have 64 KiB. */
const MOST_UNREAD = 50;

export class Chat {
  readonly #store: Store;
  readonly #ask: Api['ask'];
  readonly #met: Met;
  readonly #roomId: string;
  readonly #me: string;
  readonly outbox: Outbox;
  #keys: RoomKeys | undefined;
  #left = false;
  /** What is read waits for the history, and each message for the one before. */
  #reading: Promise<void> = Promise.resolve();
  #cursor: string | undefined;
  readonly #seen = new Set<string>();
  /** To be read again once their sender is trusted. */
  #unread: MessagePartsFragment[] = [];
  readonly #warned = new Set<string>();

  /** Begins at once; `fresh` is a match that just began, of which there is no history. */
  constructor(store: Store, ask: Api['ask'], met: Met, keyring: Promise<Keyring>, room: Inside, fresh: boolean) {
    this.#store = store;
    this.#ask = ask;
    this.#met = met;
    this.#roomId = room.id;
    this.#me = room.me.id;
    this.outbox = new Outbox({
      store,
      ask,
      roomId: room.id,
      me: room.me.id,
      keys: () => this.#keys,
      left: () => this.#left,
      change: (change) => this.#change(change),
      unreadable: (memberIds) => this.#mention(memberIds),
    });
    this.#inOrder(() => this.#open(keyring, room));
    if (!fresh) this.#inOrder(() => this.#catchUp());
  }

  note(text: string): void {
    this.#change((lines) => noted(lines, { kind: 'note', id: randomId(), text, at: new Date() }));
  }

  received({ cursor, node }: { readonly cursor: string; readonly node: MessagePartsFragment }): void {
    this.#inOrder(async () => {
      await this.#read(node, true);
      this.#cursor = cursor;
    });
  }

  joined(memberId: string): void {
    this.#inOrder(async () => {
      await this.#keys?.memberJoined(memberId);
      this.outbox.wake();
    });
  }

  memberLeft(memberId: string): void {
    this.#inOrder(async () => this.#keys?.memberLeft(memberId));
  }

  keysPublished(memberId: string, identityChanged: boolean): void {
    this.#inOrder(async () => {
      await this.#keys?.keysPublished({ memberId, identityChanged });
      this.outbox.wake();
    });
  }

  /** Events were missed. */
  resync(others: readonly string[]): void {
    this.#inOrder(async () => this.#keys?.resync(others));
    this.#inOrder(() => this.#catchUp());
  }

  async trust(memberId: string): Promise<void> {
    await this.#keys?.trust(memberId);
    this.#warned.delete(memberId);
    this.#changed();
    this.outbox.wake();
    this.#inOrder(async () => {
      const again = this.#unread.splice(0);
      for (const message of again) {
        this.#seen.delete(message.id);
        await this.#read(message, true);
      }
    });
  }

  /** Nothing is shown from now on. What is under way comes to nothing. */
  leave(): void {
    this.#left = true;
    this.outbox.wake();
  }

  async #open(keyring: Promise<Keyring>, room: Inside): Promise<void> {
    for (let pause = 1000; !this.#left; pause = Math.min(30_000, pause * 2)) {
      try {
        const ring = await keyring;
        const { id, kind, me } = room;
        const others = othersOf(room).map((member) => member.id);
        this.#keys = await ring.room({ id, kind, me: me.id, others }, () => this.#changed());
        this.#changed();
        this.outbox.wake();
        return;
      } catch (error) {
        this.#store.setChat(this.#roomId, () => ({ encryption: 'unavailable' }));
        const wait = error instanceof Failure ? error.retryAfter : undefined;
        await new Promise((resolve) => setTimeout(resolve, wait === undefined ? pause : wait * 1000));
      }
    }
  }

  /** What is known of the others' keys, as the state has it; and a note on who has others than before. */
  #changed(): void {
    const members = this.#keys?.members() ?? [];
    const changed = members.filter(({ state }) => state === 'changed').map(({ memberId }) => memberId);
    const numbers = members.flatMap(({ memberId, safetyNumber }) =>
      safetyNumber === null ? [] : [[memberId, safetyNumber]],
    );
    const waiting = members.length > 0 && members.every(({ state }) => state === 'waiting');
    this.#store.setChat(this.#roomId, () => ({
      encryption: this.#keys === undefined || waiting ? 'starting' : 'ready',
      changedIdentities: changed,
      safetyNumbers: Object.fromEntries(numbers),
    }));
    for (const memberId of changed) {
      if (this.#warned.has(memberId)) continue;
      this.#warned.add(memberId);
      this.note(`The keys of ${this.#name(memberId)} have changed: it may be another device, or another person.`);
    }
  }

  async #catchUp(): Promise<void> {
    for (let more = true; more && !this.#left; ) {
      const page = this.#cursor === undefined ? { last: HISTORY } : { first: 100, after: this.#cursor };
      const { messages } = await this.#ask(MessagesDocument, { roomId: this.#roomId, ...page }, { patient: true });
      if (messages === null) return;
      let unreadable = 0;
      for (const { node } of messages.edges) unreadable += (await this.#read(node, false)) ? 0 : 1;
      if (unreadable > 0)
        this.note(`${unreadable === 1 ? 'A message' : `${unreadable} messages`} from before cannot be read here.`);
      this.#cursor = messages.pageInfo.endCursor ?? undefined;
      more = messages.pageInfo.hasNextPage;
    }
  }

  /** Whether it could be read. Whether it comes as an event, in a page of the history or in both: it is shown once. */
  async #read(message: MessagePartsFragment, live: boolean): Promise<boolean> {
    if (this.#left || this.#keys === undefined || this.#seen.has(message.id)) return true;
    const { id, clientMessageId } = message;
    const sentAt = new Date(message.sentAt);
    const mine = message.sender.id === this.#me;
    this.#seen.add(id);
    if (mine && this.outbox.knows(clientMessageId)) {
      this.#change((lines) => ordered(lines, clientMessageId, id, sentAt));
      return true;
    }
    const reading = await this.#keys.read(message);
    if ('refused' in reading) {
      if (reading.refused === 'changed') this.#unread = [...this.#unread, message].slice(-MOST_UNREAD);
      else if (live && !mine) this.note(REFUSED[reading.refused](this.#name(message.sender.id)));
      return reading.refused === 'changed' || live;
    }
    const { text, provable } = reading;
    this.#add({ kind: 'message', id, senderId: message.sender.id, mine, text, sentAt, delivery: 'sent', provable });
    if (mine) return true;
    this.#store.setMember(this.#roomId, message.sender.id, { typing: false });
    if (live) this.#store.setChat(this.#roomId, ({ unread }) => ({ unread: unread + 1 }));
    this.#prove(message, reading);
    return true;
  }

  /** Keeps what a report would disclose, for as long as there can be one. */
  #prove(
    { id, sender, commitment, frankingTag, sentAt }: MessagePartsFragment,
    { text, openingKey, provable }: Exclude<Reading, { refused: unknown }>,
  ): void {
    if (!provable || openingKey === null || commitment === null || frankingTag === null) return;
    const { keyId, ciphertextHash, tag } = frankingTag;
    const evidence: Evidence = {
      messageId: id,
      plaintext: text,
      openingKey,
      commitment,
      frankingTag: { keyId, ciphertextHash, tag },
      sentAt,
    };
    this.#met.prove(sender.id, evidence);
  }

  #mention(unreadable: readonly string[]): void {
    for (const memberId of unreadable) {
      if (this.#warned.has(memberId)) continue;
      this.#warned.add(memberId);
      this.note(`${this.#name(memberId)} cannot read what you write yet.`);
    }
  }

  #name(memberId: string): string {
    return this.#store.room?.members.find(({ id }) => id === memberId)?.displayName ?? 'Somebody who left';
  }

  #add(line: Line): void {
    this.#change((lines) => added(lines, line));
  }

  #change(change: (lines: readonly Line[]) => readonly Line[]): void {
    if (!this.#left) this.#store.setChat(this.#roomId, ({ lines }) => ({ lines: change(lines) }));
  }

  #inOrder(work: () => Promise<unknown> | undefined): void {
    this.#reading = this.#reading
      .then(async () => (this.#left ? undefined : void (await work())))
      .catch((error: unknown) => {
        if (!this.#left) this.#store.notice('bad', inWords(error));
      });
  }
}

const REFUSED = {
  notForMe: (name: string) => `${name} wrote something that was not encrypted for this device.`,
  notProvable: (name: string) => `A message of ${name} is hidden: it was made so that it cannot be reported.`,
  damaged: (name: string) => `A message of ${name} was damaged on its way.`,
};

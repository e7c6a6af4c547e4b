/** What the viewer says in a room: shown at once, encrypted and sent one after the other, and told when that failed. */

import { NobodyReads, type RoomKeys, TextTooLong } from '../../core/keys/room.ts';
import type { Api } from '../../shared/api.ts';
import { inWords } from '../../shared/failures.ts';
import { randomId } from '../../shared/slots.ts';
import { SendMessageDocument } from '../generated.ts';
import type { Line } from '../state.ts';
import { added, delivery, sent } from './lines.ts';
import { refused } from './sentences.ts';
import type { Store } from './store.ts';

/** So long a message waits for somebody to publish keys: those who just came are about to. */
const KEYS_MS = 20_000;
const LOOK_MS = 1000;

export interface Channel {
  readonly store: Store;
  readonly ask: Api['ask'];
  readonly roomId: string;
  /** The viewer's member ID. */
  readonly me: string;
  /** Undefined until they are there. */
  keys(): RoomKeys | undefined;
  /** The chat has ended: what is under way comes to nothing. */
  left(): boolean;
  change(change: (lines: readonly Line[]) => readonly Line[]): void;
  /** What was sent cannot be read by these members. */
  unreadable(memberIds: readonly string[]): void;
}

export class Outbox {
  readonly #channel: Channel;
  readonly #texts = new Map<string, string>();
  #turn: Promise<void> = Promise.resolve();
  #wake = (): void => {};

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  say(text: string): void {
    if (text.trim() === '') return;
    const id = randomId();
    const line = { kind: 'message', id, senderId: this.#channel.me, mine: true, text, sentAt: new Date() } as const;
    this.#texts.set(id, text);
    this.#channel.change((lines) => added(lines, { ...line, delivery: 'sending', provable: false }));
    this.#queue(id, text);
  }

  /** One that failed, under the ID that it had: whoever got it all the same does not get it twice. */
  sayAgain(id: string): void {
    const text = this.#texts.get(id);
    if (text === undefined) return;
    this.#channel.change((lines) => delivery(lines, id, 'sending'));
    this.#queue(id, text);
  }

  /** Whether a message is one of those that were said here. */
  knows(clientMessageId: string): boolean {
    return this.#texts.has(clientMessageId);
  }

  /** There may be keys now that there were not. */
  wake(): void {
    this.#wake();
  }

  #queue(id: string, text: string): void {
    this.#turn = this.#turn.then(async () => {
      const problem = await this.#send(id, text).catch(inWords);
      if (problem === null || this.#channel.left()) return;
      this.#channel.change((lines) => delivery(lines, id, 'failed'));
      this.#channel.store.notice('bad', problem);
    });
  }

  /** Null, or why it was not sent. */
  async #send(id: string, text: string): Promise<string | null> {
    const { left, keys } = this.#channel;
    const deadline = Date.now() + KEYS_MS;
    for (;;) {
      if (left()) return null;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, LOOK_MS);
      });
      try {
        const ready = keys();
        if (ready !== undefined) return await this.#deliver(ready, id, text);
        if (Date.now() > deadline) return 'There are no keys to encrypt this with. Please try again.';
      } catch (error) {
        if (error instanceof TextTooLong) return 'The message is too long.';
        if (!(error instanceof NobodyReads)) throw error;
        const reasons = Object.values(error.unreadable);
        if (reasons.length === 0) return 'Nobody else is here to read it.';
        if (reasons.every((reason) => reason === 'changed'))
          return 'The keys have changed: compare the safety number first.';
        if (Date.now() > deadline) return 'Nobody here has keys to read it with yet. Please try again.';
      }
      await woken;
    }
  }

  async #deliver(keys: RoomKeys, clientMessageId: string, text: string): Promise<string | null> {
    const { ask, roomId } = this.#channel;
    const { unreadable, ...sealed } = await keys.encrypt(text, clientMessageId);
    this.#channel.unreadable(Object.keys(unreadable));
    const input = { roomId, clientMessageId, ...sealed };
    const { sendMessage: answer } = await ask(SendMessageDocument, { input }, { over: 'socket', patient: true });
    if (answer.__typename !== 'SendMessageSuccess') return refused(answer);
    const { id, sentAt } = answer.edge.node;
    this.#channel.change((lines) => sent(lines, clientMessageId, id, new Date(sentAt)));
    return null;
  }
}

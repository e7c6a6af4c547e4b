/** A chat with one of those in a room, and what is known of their identity. */

import { equalBytes } from '@noble/curves/utils.js';

import { randomId, toBase64 } from './bytes.ts';
import { type Chat, IdentityChanged, safetyNumber } from './chat.ts';
import { NotForMe } from './device.ts';
import { NotProvable } from './franking.ts';
import type { PeerRow } from './rows.ts';
import type { KeyBundle, MemberKeys, Message, Reading, Unreadable } from './types.ts';

/** What is shown of a member, and whether there is a session to write in. */
export type Shown = MemberKeys & { readonly started: boolean };

export class Peer {
  readonly chat: Chat;
  claim: string | null;
  #offered: Uint8Array | null;

  constructor(chat: Chat, row: PeerRow | undefined) {
    this.chat = chat;
    this.claim = row?.claim ?? null;
    this.#offered = row?.offered ?? null;
  }

  get row(): PeerRow {
    return { chat: this.chat.state, claim: this.claim, offered: this.#offered };
  }

  get paused(): boolean {
    return this.chat.state.paused;
  }

  get shown(): Shown {
    const identity = this.#offered ?? this.chat.theirIdentity;
    return {
      memberId: this.chat.peer,
      state: this.paused ? 'changed' : identity === null ? 'waiting' : 'ready',
      safetyNumber: identity === null ? null : safetyNumber(this.chat.device.identity.publicKey, identity),
      started: this.chat.started,
    };
  }

  /** The request ID to claim their keys with, the same until it has served. */
  nameClaim(): string {
    this.claim ??= randomId();
    return this.claim;
  }

  /** Begins a session with what the claim brought. Null when it could. */
  start(bundle: KeyBundle): Unreadable | null {
    try {
      this.chat.start(bundle);
      this.claim = null;
      return null;
    } catch (error) {
      if (!(error instanceof IdentityChanged)) return 'unavailable';
      this.#pause(error.identityKey);
      return 'changed';
    }
  }

  /** Compares the identity that they have published. The first one is trusted; another pauses the chat. */
  see(identity: Uint8Array): void {
    const { state } = this.chat;
    if (state.theirIdentity !== null && !equalBytes(state.theirIdentity, identity)) {
      if (this.#offered === null || !equalBytes(this.#offered, identity)) this.claim = null; // it was for other keys than these
      this.#pause(identity);
      return;
    }
    state.theirIdentity = identity;
    state.paused = false;
    this.#offered = null;
  }

  trust(): void {
    if (this.#offered !== null) this.chat.trust(this.#offered);
    this.#offered = null;
  }

  read(message: Message): Reading {
    try {
      const { text, openingKey } = this.chat.decrypt(message);
      return { text, openingKey: toBase64(openingKey), provable: true };
    } catch (error) {
      if (error instanceof IdentityChanged) return { refused: 'changed' };
      if (error instanceof NotForMe) return { refused: 'notForMe' };
      if (error instanceof NotProvable) return { refused: 'notProvable' };
      return { refused: 'damaged' };
    }
  }

  #pause(identity: Uint8Array): void {
    this.chat.pause();
    this.#offered = identity;
  }
}

/**
 * What one member says to another in one room: text on one side, `ciphertext` and `commitment` on the other. No network here.
 *
 * Store the state of device and chat, in one transaction, with every message before you send or show it: a session used twice from
 * the same state encrypts two messages with one key, and a message can be decrypted only once. `RoomKeys` (room.ts) does so.
 */

import { bytesToHex, equalBytes } from '@noble/curves/utils.js';
import { sha512 } from '@noble/hashes/sha2.js';

import { fromBase64, joined, split, toBase64 } from './bytes.ts';
import { type Device, NotForMe } from './device.ts';
import { checkCommitment, draft, NotProvable, type Opened } from './franking.ts';
import { decodeGroup, isGroup, openBody } from './group.ts';
import { awaitRatchet, decrypt, encrypt, type RatchetState, startRatchet } from './ratchet.ts';
import type { Delivered, KeyBundle, Sealed } from './types.ts';
import { decodeEnvelope, decodeOpening, type Envelope, encodeEnvelope, encodeOpening } from './wire.ts';
import { initiate, respond } from './x3dh.ts';

/** Sessions with one other device at most; those longest unused are forgotten: somebody may begin a new one with every message. */
export const MOST_SESSIONS = 40;

/** A Double Ratchet with the other's device. A value: every message makes the next one. */
export interface Session {
  readonly id: Uint8Array;
  readonly associatedData: Uint8Array;
  readonly opening: Uint8Array;
  readonly ratchet: RatchetState;
}

/** All that a chat keeps, as IndexedDB stores it (the structured clone algorithm). */
export interface ChatState {
  /** Trusted on first use; whether it is theirs only `safetyNumber` tells. */
  theirIdentity: Uint8Array | null;
  /** By ID in hexadecimal, the longest unused first. There are two when both wrote first at once: either side reads both. */
  readonly sessions: Map<string, Session>;
  /** The ID of the session to write in: that of the message that was read last. */
  current: string | null;
  /** Whether the other side has another identity that nobody has agreed to yet. */
  paused: boolean;
}

/** The other side has another identity key than before: a new device, or somebody in the middle. People have to compare numbers. */
export class IdentityChanged extends Error {
  readonly identityKey: Uint8Array;

  constructor(identityKey: Uint8Array) {
    super('The other side has other keys than before.');
    this.identityKey = identityKey;
  }
}

export class Chat {
  readonly device: Device;
  readonly roomId: string;
  /** Member IDs. */
  readonly me: string;
  readonly peer: string;
  readonly state: ChatState;

  /** With the state of last time, or without anything said yet. */
  constructor(device: Device, roomId: string, me: string, peer: string, state?: ChatState) {
    this.device = device;
    this.roomId = roomId;
    this.me = me;
    this.peer = peer;
    this.state = state ?? { theirIdentity: null, sessions: new Map<string, Session>(), current: null, paused: false };
  }

  get theirIdentity(): Uint8Array | null {
    return this.state.theirIdentity;
  }

  /** Whether there is a session to write in; if not, claim the peer's keys and `start`. */
  get started(): boolean {
    return this.state.current !== null;
  }

  /** Sixty digits for two people to compare by voice: equal on both sides unless somebody sits between them. */
  get safetyNumber(): string {
    if (this.theirIdentity === null) throw new Error('Nobody has introduced themselves yet.');
    return safetyNumber(this.device.identity.publicKey, this.theirIdentity);
  }

  /** Begins a session with claimed keys. Throws `IdentityChanged`, and an `Error` for keys that are not what they should be. */
  start(claimed: KeyBundle): void {
    const { signedPreKey, oneTimePreKey } = claimed;
    const bundle = {
      identityKey: fromBase64(claimed.identityKey),
      signedPreKey: fromBase64(signedPreKey.key),
      signature: fromBase64(signedPreKey.signature),
      oneTimePreKey: oneTimePreKey && fromBase64(oneTimePreKey.key),
    };
    this.#check(bundle.identityKey);
    const context = joined(this.roomId, this.me, this.peer);
    const { sharedKey, associatedData, opening } = initiate(this.device.identity, bundle, context);
    this.state.theirIdentity = bundle.identityKey;
    this.state.paused = false;
    this.#keep({
      id: opening.ephemeralKey,
      associatedData,
      opening: encodeOpening(opening),
      ratchet: startRatchet(sharedKey, bundle.signedPreKey),
    });
  }

  /** The other side has published another identity: nobody could read what we write in an old session. */
  pause(): void {
    this.state.current = null;
    this.state.paused = true;
  }

  /** After the people have compared their numbers, not before: forgets the sessions with the old identity. */
  trust(identityKey: Uint8Array): void {
    this.state.theirIdentity = identityKey;
    this.state.sessions.clear();
    this.state.current = null;
    this.state.paused = false;
  }

  /** What `sendMessage` takes in a room for two. The key that opens the commitment travels inside of the ciphertext. */
  encrypt(text: string): Sealed {
    const { commitment, plaintext } = draft(this.roomId, this.me, text);
    return { ciphertext: toBase64(this.seal(plaintext)), commitment: toBase64(commitment) };
  }

  /** What the peer says, to us alone or to several. Throws for what must not be shown; that may have used up the message's key. */
  decrypt(message: Delivered): Opened {
    const ciphertext = fromBase64(message.ciphertext);
    const plaintext = isGroup(ciphertext)
      ? this.#ofGroup(ciphertext, message)
      : this.#unseal(ciphertext, [], (alone) => alone);
    return checkCommitment(message, ciphertext, this.roomId, this.peer, plaintext);
  }

  /** An envelope for the peer. `bound` is authenticated with it: both sides have to give the same. */
  seal(plaintext: Uint8Array, ...bound: Uint8Array[]): Uint8Array {
    const session = this.state.current === null ? undefined : this.state.sessions.get(this.state.current);
    if (session === undefined) throw new Error('Claim the keys of the peer and start first.');
    const { id, associatedData, opening, ratchet } = session;
    const { state, message } = encrypt(ratchet, plaintext, joined(associatedData, id, opening, ...bound));
    this.#keep({ ...session, ratchet: state });
    return encodeEnvelope({ sessionId: id, opening, message });
  }

  /** What `open` makes of an envelope of the peer. When that is not authentic, or `open` throws, nothing has changed. */
  #unseal(bytes: Uint8Array, bound: readonly Uint8Array[], open: (plaintext: Uint8Array) => Uint8Array): Uint8Array {
    const envelope = decodeEnvelope(bytes);
    const known = this.state.sessions.get(bytesToHex(envelope.sessionId));
    const session = known ?? this.#answer(envelope);
    const authenticated = joined(session.associatedData, session.id, envelope.opening, ...bound);
    const { state, plaintext } = decrypt(session.ratchet, envelope.message, authenticated);
    const opened = open(plaintext);
    if (known === undefined) {
      const opening = decodeOpening(envelope);
      this.state.theirIdentity = opening.identityKey;
      this.device.deleteOneTimeKey(opening);
    }
    this.#keep({ ...session, opening: new Uint8Array(), ratchet: state });
    return opened;
  }

  #ofGroup(ciphertext: Uint8Array, { commitment: encoded }: Delivered): Uint8Array {
    if (encoded === null) throw new NotProvable('The message cannot be reported.');
    const { body, copies } = decodeGroup(ciphertext);
    const copy = copies.get(this.me);
    if (copy === undefined) throw new NotForMe('The message has no copy for this member.');
    const commitment = fromBase64(encoded);
    return this.#unseal(copy, [commitment], (plaintext) => {
      const [key] = split(plaintext, [32]);
      return openBody(key, body, this.roomId, this.peer, commitment);
    });
  }

  /** The session that a first message begins, kept only once the message proves genuine. */
  #answer(envelope: Envelope): Session {
    if (envelope.opening.length === 0)
      throw new NotForMe('The message is of a session that this device does not have.');
    const opening = decodeOpening(envelope);
    this.#check(opening.identityKey);
    const own = this.device.keysFor(opening);
    const { sharedKey, associatedData } = respond(own, opening, joined(this.roomId, this.peer, this.me));
    const ratchet = awaitRatchet(sharedKey, own.signedPreKey);
    return { id: envelope.sessionId, associatedData, opening: new Uint8Array(), ratchet };
  }

  #check(identityKey: Uint8Array): void {
    if (this.theirIdentity !== null && !equalBytes(this.theirIdentity, identityKey)) {
      throw new IdentityChanged(identityKey);
    }
  }

  #keep(session: Session): void {
    const id = bytesToHex(session.id);
    const { sessions } = this.state;
    sessions.delete(id); // a Map keeps the order of insertion: it goes to the end
    sessions.set(id, session);
    if (!this.state.paused) this.state.current = id;
    for (const oldest of sessions.keys()) {
      if (sessions.size <= MOST_SESSIONS) break;
      if (oldest !== this.state.current) sessions.delete(oldest);
    }
  }
}

/** The same for both orders. The server hands out the keys, so without a comparison it could hand out its own. */
export function safetyNumber(one: Uint8Array, other: Uint8Array): string {
  const sorted = [one, other].sort((a, b) => (bytesToHex(a) < bytesToHex(b) ? -1 : 1));
  const digest = sha512(joined('parley-example/safety/v1', ...sorted));
  const group = (from: number): number => digest.slice(from, from + 5).reduce((sum, byte) => sum * 256 + byte, 0);
  return Array.from({ length: 12 }, (_, index) => String(group(index * 5) % 100_000).padStart(5, '0')).join(' ');
}

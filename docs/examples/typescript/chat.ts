/**
 * What two members say to each other in one room: text on one side, `ciphertext` and `commitment` on the other. No network here.
 *
 * Store the state of device and chat, in one transaction, with every message before you send or show it: a session used twice from
 * the same state encrypts two messages with one key, and a message can be decrypted only once.
 */

import { bytesToHex, equalBytes } from '@noble/curves/utils.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';

import { fromBase64, fromUtf8, joined, split, toBase64 } from './bytes.ts';
import type { Device } from './device.ts';
import { commit } from './franking.ts';
import type { KeyBundle, Message } from './operations.ts';
import { awaitRatchet, decrypt, encrypt, startRatchet, type RatchetState } from './ratchet.ts';
import { decodeEnvelope, decodeOpening, encodeEnvelope, encodeOpening, type Envelope } from './wire.ts';
import { initiate, respond } from './x3dh.ts';

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
  /** By ID in hexadecimal. There are two when both wrote first at once: either side reads both. */
  readonly sessions: Map<string, Session>;
  /** The ID of the session to write in: that of the message that was read last. */
  current: string | null;
  /** Whether the other side has another identity that nobody has agreed to yet. */
  paused: boolean;
}

/** A message as it was read. Whoever reports it discloses `text` with `openingKey`, and the message's commitment and tag. */
export interface Opened {
  readonly text: string;
  readonly openingKey: Uint8Array;
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

  /** What `sendMessage` takes. The key that opens the commitment travels inside of the ciphertext. */
  encrypt(text: string): { ciphertext: string; commitment: string } {
    const session = this.state.current === null ? undefined : this.state.sessions.get(this.state.current);
    if (session === undefined) throw new Error('Claim the keys of the peer and start first.');
    const { id, associatedData, opening, ratchet } = session;
    const openingKey = randomBytes(32);
    const { state, message } = encrypt(ratchet, joined(openingKey, text), joined(associatedData, id, opening));
    this.#keep({ ...session, ratchet: state });
    return {
      ciphertext: toBase64(encodeEnvelope({ sessionId: id, opening, message })),
      commitment: toBase64(commit(openingKey, this.roomId, this.me, text)),
    };
  }

  /** What a message of the peer says. Throws for what must not be shown: that has changed nothing, or used up the message's key. */
  decrypt(message: Pick<Message, 'ciphertext' | 'commitment' | 'frankingTag'>): Opened {
    const ciphertext = fromBase64(message.ciphertext);
    const [openingKey, encoded] = split(this.#unseal(decodeEnvelope(ciphertext)), [32, null]);
    const text = fromUtf8(encoded);
    // A message that cannot be reported is not shown: somebody who means to threaten would send just those.
    const { commitment, frankingTag } = message;
    if (commitment === null || frankingTag === null) throw new Error('The message cannot be reported.');
    if (!equalBytes(fromBase64(commitment), commit(openingKey, this.roomId, this.peer, text))) {
      throw new Error('The commitment is to something else.');
    }
    if (!equalBytes(fromBase64(frankingTag.ciphertextHash), sha256(ciphertext))) {
      throw new Error('The tag is of another message.');
    }
    return { text, openingKey };
  }

  #unseal(envelope: Envelope): Uint8Array {
    const known = this.state.sessions.get(bytesToHex(envelope.sessionId));
    const session = known ?? this.#answer(envelope);
    const bound = joined(session.associatedData, session.id, envelope.opening);
    const { state, plaintext } = decrypt(session.ratchet, envelope.message, bound);
    if (known === undefined) {
      const opening = decodeOpening(envelope);
      this.state.theirIdentity = opening.identityKey;
      this.device.deleteOneTimeKey(opening);
    }
    this.#keep({ ...session, opening: new Uint8Array(), ratchet: state });
    return plaintext;
  }

  /** The session that a first message begins, kept only once the message proves genuine. */
  #answer(envelope: Envelope): Session {
    const opening = decodeOpening(envelope); // empty in a message of a session that we do not have: throws
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
    this.state.sessions.set(id, session);
    if (!this.state.paused) this.state.current = id;
  }
}

/** The same for both orders. The server hands out the keys, so without a comparison it could hand out its own. */
export function safetyNumber(one: Uint8Array, other: Uint8Array): string {
  const sorted = [one, other].sort((a, b) => (bytesToHex(a) < bytesToHex(b) ? -1 : 1));
  const digest = sha512(joined('parley-example/safety/v1', ...sorted));
  const group = (from: number): number => digest.slice(from, from + 5).reduce((sum, byte) => sum * 256 + byte, 0);
  return Array.from({ length: 12 }, (_, index) => String(group(index * 5) % 100_000).padStart(5, '0')).join(' ');
}

/**
 * A message for several others: its text once, under a random key, and that key once for each of them, in the session with them.
 * docs/ENCRYPTION.md, "Groups".
 */

import { randomBytes } from '@noble/hashes/utils.js';

import { fromUtf8, joined, parts, split, toBase64, toUtf8 } from './bytes.ts';
import type { Chat } from './chat.ts';
import { draft } from './franking.ts';
import { seal, unseal } from './ratchet.ts';
import type { Sealed } from './types.ts';

/** The first part of such a ciphertext. That of a message for two is a key of 32 bytes, so that the lengths tell them apart. */
const NAME = 'parley-example/group/v1';
const BEGINNING = joined(NAME);

export interface Group {
  readonly body: Uint8Array;
  /** The envelope for each member, by member ID. */
  readonly copies: ReadonlyMap<string, Uint8Array>;
}

/**
 * What `sendMessage` takes for the peers of all of these chats, each of them started, in one room and of one member.
 *
 * The commitment is authenticated with the body and with every copy. It binds the text, so nobody who was given the key, with the
 * server's help, can put the copies in front of another text and have it pass for the sender's.
 */
export function encryptForAll(chats: readonly [Chat, ...Chat[]], text: string): Sealed {
  const { roomId, me } = chats[0];
  const { commitment, plaintext } = draft(roomId, me, text);
  const key = randomBytes(32);
  const body = seal(key, plaintext, bound(roomId, me, commitment));
  const copies = chats.flatMap((chat) => [toUtf8(chat.peer), chat.seal(joined(key), commitment)]);
  return { ciphertext: toBase64(joined(NAME, body, joined(...copies))), commitment: toBase64(commitment) };
}

export function isGroup(ciphertext: Uint8Array): boolean {
  return BEGINNING.every((byte, index) => ciphertext[index] === byte);
}

/** Throws on bytes of another form, and when a member has two copies. */
export function decodeGroup(ciphertext: Uint8Array): Group {
  const [, body, marked] = split(ciphertext, [null, null, null]);
  const found = parts(marked);
  const copies = new Map<string, Uint8Array>();
  for (let at = 0; at < found.length; at += 2) {
    const [member, copy] = [fromUtf8(found[at]!), found[at + 1]];
    if (copy === undefined || copies.has(member))
      throw new Error('The message has not one copy for each of its members.');
    copies.set(member, copy);
  }
  return { body, copies };
}

/** The draft in the body. Throws `NotAuthentic`. */
export function openBody(
  key: Uint8Array,
  body: Uint8Array,
  roomId: string,
  senderId: string,
  commitment: Uint8Array,
): Uint8Array {
  return unseal(key, body, bound(roomId, senderId, commitment));
}

function bound(roomId: string, senderId: string, commitment: Uint8Array): Uint8Array {
  return joined(NAME, roomId, senderId, commitment);
}

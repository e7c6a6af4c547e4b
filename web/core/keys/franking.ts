/**
 * Franking: the sender commits to the plaintext, the server tags the commitment, and a reporter can later prove both while the
 * server has read nothing. Test vectors: docs/franking-vectors.json.
 */

import { equalBytes } from '@noble/curves/utils.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';

import { fromBase64, fromUtf8, joined, split } from './bytes.ts';
import type { Delivered } from './types.ts';

/** A message as it was read. Whoever reports it discloses `text` with `openingKey`, and the message's commitment and tag. */
export interface Opened {
  readonly text: string;
  readonly openingKey: Uint8Array;
}

/** A message that could not be reported, and so is not shown: somebody who means to threaten would send just those. */
export class NotProvable extends Error {}

/** The commitment of 32 bytes to send beside the ciphertext. `openingKey` is 32 fresh secret bytes, sent inside the ciphertext. */
export function commit(openingKey: Uint8Array, roomId: string, senderId: string, plaintext: string): Uint8Array {
  return hmac(sha256, openingKey, joined('parley/frank/v1', roomId, senderId, plaintext));
}

/** A text with a fresh opening key, as it is encrypted, and the commitment to send beside it. */
export function draft(
  roomId: string,
  senderId: string,
  text: string,
): { commitment: Uint8Array; plaintext: Uint8Array } {
  const openingKey = randomBytes(32);
  return { commitment: commit(openingKey, roomId, senderId, text), plaintext: joined(openingKey, text) };
}

/** What a draft says, once it is decrypted. Throws `NotProvable` unless commitment and tag of the message are to just that. */
export function checkCommitment(
  { commitment, frankingTag }: Delivered,
  ciphertext: Uint8Array,
  roomId: string,
  senderId: string,
  plaintext: Uint8Array,
): Opened {
  const [openingKey, encoded] = split(plaintext, [32, null]);
  const text = fromUtf8(encoded);
  if (commitment === null || frankingTag === null) throw new NotProvable('The message cannot be reported.');
  if (!equalBytes(fromBase64(commitment), commit(openingKey, roomId, senderId, text))) {
    throw new NotProvable('The commitment is to something else.');
  }
  if (!equalBytes(fromBase64(frankingTag.ciphertextHash), sha256(ciphertext))) {
    throw new NotProvable('The tag is of another message.');
  }
  return { text, openingKey };
}

/**
 * Franking: the sender commits to the plaintext, the server tags the commitment, and a reporter can later prove both while the
 * server has read nothing. Test vectors: docs/franking-vectors.json.
 */

import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

import { joined } from './bytes.ts';

/** The commitment of 32 bytes to send beside the ciphertext. `openingKey` is 32 fresh secret bytes, sent inside the ciphertext. */
export function commit(openingKey: Uint8Array, roomId: string, senderId: string, plaintext: string): Uint8Array {
  return hmac(sha256, openingKey, joined('parley/frank/v1', roomId, senderId, plaintext));
}

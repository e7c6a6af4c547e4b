/**
 * What travels as a message's `ciphertext` between two: session, opening, header and the encrypted body, each after its length.
 * The same form as in the Python example, so that the two can talk.
 */

import { joined, split } from './bytes.ts';
import { type Encrypted, headerParts } from './ratchet.ts';
import type { Opening } from './x3dh.ts';

export interface Envelope {
  /** The ephemeral key of the session's X3DH. */
  readonly sessionId: Uint8Array;
  /** Empty once the other side has answered; until then `encodeOpening`, because it is not known which message arrives first. */
  readonly opening: Uint8Array;
  readonly message: Encrypted;
}

export function encodeEnvelope({ sessionId, opening, message }: Envelope): Uint8Array {
  return joined(sessionId, opening, ...headerParts(message.header), message.ciphertext);
}

/** Throws on bytes of another form. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const [sessionId, opening, ratchetKey, previousLength, number, ciphertext] = split(bytes, [32, null, 32, 4, 4, null]);
  const header = { ratchetKey, previousLength: uint32(previousLength), number: uint32(number) };
  return { sessionId, opening, message: { header, ciphertext } };
}

/** Without the ephemeral key, which is the session's ID. */
export function encodeOpening({ identityKey, signedPreKey, oneTimePreKey }: Opening): Uint8Array {
  return joined(identityKey, signedPreKey, oneTimePreKey ?? new Uint8Array());
}

/** Throws on bytes of another form. */
export function decodeOpening({ sessionId, opening }: Envelope): Opening {
  const [identityKey, signedPreKey, oneTimePreKey] = split(opening, [32, 32, null]);
  return {
    identityKey,
    ephemeralKey: sessionId,
    signedPreKey,
    oneTimePreKey: oneTimePreKey.length === 0 ? null : oneTimePreKey,
  };
}

function uint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

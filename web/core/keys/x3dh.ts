/**
 * X3DH: two people who were never online together agree on a secret, with the keys that one of them left on the server.
 * https://signal.org/docs/specifications/x3dh/ (revision 1), with X25519, SHA-256 and public keys as their 32 raw bytes.
 */

import { x25519 } from '@noble/curves/ed25519.js';
import { concatBytes } from '@noble/curves/utils.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';

import { toUtf8 } from './bytes.ts';
import { verify } from './xeddsa.ts';

/** Names the application (section 2.1), so that no other use of the same keys yields the same secrets. Choose your own. */
const INFO = toUtf8('parley-example/x3dh/v1');

/** The input of the KDF begins with 32 bytes 0xFF: that keeps it apart from what XEdDSA hashes with the same keys (section 2.2). */
const PREFIX = new Uint8Array(32).fill(0xff);

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Somebody's published keys, as a claim returns them. The one-time key is missing when they are used up. */
export interface Bundle {
  readonly identityKey: Uint8Array;
  readonly signedPreKey: Uint8Array;
  readonly signature: Uint8Array;
  readonly oneTimePreKey: Uint8Array | null;
}

/** What the first message carries in the clear so that its receiver can agree too (section 3.3): all of it public keys. */
export interface Opening {
  readonly identityKey: Uint8Array;
  readonly ephemeralKey: Uint8Array;
  readonly signedPreKey: Uint8Array;
  readonly oneTimePreKey: Uint8Array | null;
}

/** The private keys that an opening asks for. */
export interface OwnKeys {
  readonly identity: KeyPair;
  readonly signedPreKey: KeyPair;
  readonly oneTimePreKey: KeyPair | null;
}

/** What both have afterwards: 32 secret bytes, and the bytes that every message of the session authenticates. */
export interface Agreement {
  readonly sharedKey: Uint8Array;
  readonly associatedData: Uint8Array;
}

export function generateKeyPair(): KeyPair {
  const { secretKey, publicKey } = x25519.keygen();
  return { privateKey: secretKey, publicKey };
}

/**
 * The side that writes first (section 3.3). `context` says who talks to whom, the same for both; it is authenticated with every
 * message. Throws when the signed pre-key was not signed by the identity key, and for keys of small order.
 */
export function initiate(
  identity: KeyPair,
  bundle: Bundle,
  context: Uint8Array,
  ephemeral: KeyPair = generateKeyPair(), // only tests pass their own
): Agreement & { readonly opening: Opening } {
  const { identityKey, signedPreKey, signature, oneTimePreKey } = bundle;
  if (!verify(identityKey, signedPreKey, signature)) {
    throw new Error('The signed pre-key is not signed by the identity key: somebody is in the middle.');
  }
  const secrets = [
    x25519.getSharedSecret(identity.privateKey, signedPreKey),
    x25519.getSharedSecret(ephemeral.privateKey, identityKey),
    x25519.getSharedSecret(ephemeral.privateKey, signedPreKey),
  ];
  if (oneTimePreKey !== null) secrets.push(x25519.getSharedSecret(ephemeral.privateKey, oneTimePreKey));
  return {
    sharedKey: derive(secrets),
    associatedData: concatBytes(identity.publicKey, identityKey, context),
    opening: { identityKey: identity.publicKey, ephemeralKey: ephemeral.publicKey, signedPreKey, oneTimePreKey },
  };
}

/** The side that reads first (section 3.4): the same agreement. It must delete the one-time key once it has read a message. */
export function respond(own: OwnKeys, opening: Opening, context: Uint8Array): Agreement {
  const { identity, signedPreKey, oneTimePreKey } = own;
  const secrets = [
    x25519.getSharedSecret(signedPreKey.privateKey, opening.identityKey),
    x25519.getSharedSecret(identity.privateKey, opening.ephemeralKey),
    x25519.getSharedSecret(signedPreKey.privateKey, opening.ephemeralKey),
  ];
  if (oneTimePreKey !== null) secrets.push(x25519.getSharedSecret(oneTimePreKey.privateKey, opening.ephemeralKey));
  return {
    sharedKey: derive(secrets),
    associatedData: concatBytes(opening.identityKey, identity.publicKey, context),
  };
}

/** KDF (section 2.2). */
function derive(secrets: readonly Uint8Array[]): Uint8Array {
  return hkdf(sha256, concatBytes(PREFIX, ...secrets), new Uint8Array(32), INFO, 32);
}

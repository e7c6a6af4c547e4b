/** The keys of one device: what it keeps, and what it publishes. */

import { bytesToHex, equalBytes } from '@noble/curves/utils.js';

import { toBase64 } from './bytes.ts';
import type { PublicKey, PublishKeysInput } from './operations.ts';
import { generateKeyPair, type KeyPair, type Opening, type OwnKeys } from './x3dh.ts';
import { sign } from './xeddsa.ts';

/**
 * Made once per device, not per room. Here it lives in memory; a browser stores it in IndexedDB, and stores it before it sends what
 * it made with it.
 */
export class Device {
  readonly identity: KeyPair = generateKeyPair();
  /** The newest first. The one before it stays for messages that are still on their way. */
  readonly #signedPreKeys: KeyPair[] = [];
  /** By public key in hexadecimal, until used. */
  readonly #oneTimePreKeys = new Map<string, KeyPair>();
  #nextKeyId = 1;

  /** A whole new bundle to publish, with a new signed pre-key: on the first start, then about once a week. It replaces the last one. */
  bundle(oneTimeKeys: number): PublishKeysInput {
    const pair = generateKeyPair();
    this.#signedPreKeys.unshift(pair);
    this.#signedPreKeys.splice(2);
    return {
      suite: 'X3DH_25519',
      identityKey: toBase64(this.identity.publicKey),
      signedPreKey: {
        keyId: this.#nextKeyId++,
        key: toBase64(pair.publicKey),
        signature: toBase64(sign(this.identity.privateKey, pair.publicKey)),
      },
      oneTimePreKeys: this.moreKeys(oneTimeKeys),
    };
  }

  /** More one-time keys to publish; the server keeps at most 100. */
  moreKeys(count: number): PublicKey[] {
    return Array.from({ length: count }, () => {
      const pair = generateKeyPair();
      this.#oneTimePreKeys.set(bytesToHex(pair.publicKey), pair);
      return { keyId: this.#nextKeyId++, key: toBase64(pair.publicKey) };
    });
  }

  /** The private keys that a first message was made for. Throws when one of them is gone. */
  keysFor({ signedPreKey, oneTimePreKey }: Opening): OwnKeys {
    const signed = this.#signedPreKeys.find((pair) => equalBytes(pair.publicKey, signedPreKey));
    if (signed === undefined) throw new Error('The signed pre-key of this message is gone.');
    const oneTime = oneTimePreKey === null ? null : this.#oneTimePreKeys.get(bytesToHex(oneTimePreKey));
    if (oneTime === undefined) throw new Error('The one-time key of this message was used already.');
    return { identity: this.identity, signedPreKey: signed, oneTimePreKey: oneTime };
  }

  /** After a message that used the key was read: who takes the device then, cannot read that message (X3DH section 3.4). */
  deleteOneTimeKey({ oneTimePreKey }: Opening): void {
    if (oneTimePreKey !== null) this.#oneTimePreKeys.delete(bytesToHex(oneTimePreKey));
  }
}

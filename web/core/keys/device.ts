/** The keys of one device: what it keeps, and what it publishes. */

import { bytesToHex, equalBytes } from '@noble/curves/utils.js';

import { toBase64 } from './bytes.ts';
import type { PublicKey, PublishKeysInput } from './types.ts';
import { generateKeyPair, type KeyPair, type Opening, type OwnKeys } from './x3dh.ts';
import { sign } from './xeddsa.ts';

/** All that a device keeps, as IndexedDB stores it (the structured clone algorithm). */
export interface DeviceState {
  readonly identity: KeyPair;
  /** The newest first. The one before it stays for messages that are still on their way. */
  readonly signedPreKeys: KeyPair[];
  /** By public key in hexadecimal, until used. */
  readonly oneTimePreKeys: Map<string, KeyPair>;
  nextKeyId: number;
}

/** One-time keys whose private halves are kept at most: those that were published and never used would gather for ever. */
export const MOST_KEPT = 500;

/** A message that this device has no keys for: it was encrypted for another, or before this one knew of it. */
export class NotForMe extends Error {}

/** Made once per device, or per match so as not to be recognised; not per room. Store its state before you send. */
export class Device {
  readonly state: DeviceState;

  /** With the state of last time, or with new keys. */
  constructor(state?: DeviceState) {
    this.state = state ?? {
      identity: generateKeyPair(),
      signedPreKeys: [],
      oneTimePreKeys: new Map<string, KeyPair>(),
      nextKeyId: 1,
    };
  }

  get identity(): KeyPair {
    return this.state.identity;
  }

  /** A bundle to publish in place of the last, with a new signed pre-key: on the first start, then about once a week. */
  bundle(oneTimeKeys: number): PublishKeysInput {
    const pair = generateKeyPair();
    this.state.signedPreKeys.unshift(pair);
    this.state.signedPreKeys.splice(2);
    return {
      suite: 'X3DH_25519',
      identityKey: toBase64(this.identity.publicKey),
      signedPreKey: {
        keyId: this.state.nextKeyId++,
        key: toBase64(pair.publicKey),
        signature: toBase64(sign(this.identity.privateKey, pair.publicKey)),
      },
      oneTimePreKeys: this.moreKeys(oneTimeKeys),
    };
  }

  /** More one-time keys to publish; the server keeps at most 100. */
  moreKeys(count: number): PublicKey[] {
    const kept = this.state.oneTimePreKeys;
    const made = Array.from({ length: count }, () => {
      const pair = generateKeyPair();
      kept.set(bytesToHex(pair.publicKey), pair);
      return { keyId: this.state.nextKeyId++, key: toBase64(pair.publicKey) };
    });
    for (const oldest of kept.keys()) {
      if (kept.size <= MOST_KEPT) break;
      kept.delete(oldest);
    }
    return made;
  }

  /** The private keys that a first message was made for. Throws `NotForMe` when one of them is gone. */
  keysFor({ signedPreKey, oneTimePreKey }: Opening): OwnKeys {
    const signed = this.state.signedPreKeys.find((pair) => equalBytes(pair.publicKey, signedPreKey));
    if (signed === undefined) throw new NotForMe('The signed pre-key of this message is gone.');
    const oneTime = oneTimePreKey === null ? null : this.state.oneTimePreKeys.get(bytesToHex(oneTimePreKey));
    if (oneTime === undefined) throw new NotForMe('The one-time key of this message was used already.');
    return { identity: this.identity, signedPreKey: signed, oneTimePreKey: oneTime };
  }

  /** After a message that used the key was read: who takes the device then, cannot read that message (X3DH section 3.4). */
  deleteOneTimeKey({ oneTimePreKey }: Opening): void {
    if (oneTimePreKey !== null) this.state.oneTimePreKeys.delete(bytesToHex(oneTimePreKey));
  }
}

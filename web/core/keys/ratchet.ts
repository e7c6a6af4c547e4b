/**
 * The Double Ratchet: a key of its own for every message, and a fresh Diffie-Hellman with every change of direction.
 * https://signal.org/docs/specifications/doubleratchet/ (revision 1, 2016), with the algorithms of its section 5.2.
 *
 * A state is a value: encrypting and decrypting return the next one, and a message that fails leaves nothing behind (section 3.5).
 * Store the next state before you send or show anything: a state used twice encrypts two messages with one key.
 */

import { cbc } from '@noble/ciphers/aes.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, concatBytes, equalBytes } from '@noble/curves/utils.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

import { joined, toUtf8, uint32 } from './bytes.ts';
import { generateKeyPair, type KeyPair } from './x3dh.ts';

/** The most messages that may be missing before one in the same chain (MAX_SKIP): what a hostile sender can make us compute. */
export const MAX_SKIP = 1000;

/** The most keys that are kept for messages still to come; the oldest go first (section 2.6). */
export const MAX_KEPT = 2000;

const ROOT_INFO = toUtf8('parley-example/root/v1');
const MESSAGE_INFO = toUtf8('parley-example/message/v1');

interface Chain {
  readonly key: Uint8Array;
  /** Messages so far. */
  readonly length: number;
}

/** Section 3.2: DHs, DHr, RK, CKs with Ns, CKr with Nr, PN and MKSKIPPED. */
export interface RatchetState {
  readonly own: KeyPair;
  readonly their: Uint8Array | null;
  readonly rootKey: Uint8Array;
  readonly sending: Chain | null;
  readonly receiving: Chain | null;
  readonly previousLength: number;
  readonly kept: ReadonlyMap<string, Uint8Array>;
}

/** Travels in the clear and is authenticated (HEADER, section 3.1). */
export interface Header {
  readonly ratchetKey: Uint8Array;
  readonly previousLength: number;
  readonly number: number;
}

export interface Encrypted {
  readonly header: Header;
  readonly ciphertext: Uint8Array;
}

/** A message that is none of this session's, was changed on its way, or was read already: the same answer to all. */
export class NotAuthentic extends Error {
  constructor() {
    super('The message is not authentic, or was read already.');
  }
}

/** For the one who starts (RatchetInitAlice, section 3.3): `their` is the signed pre-key of X3DH (section 5.1). */
export function startRatchet(sharedKey: Uint8Array, their: Uint8Array): RatchetState {
  const own = generateKeyPair();
  const { rootKey, chain } = turn(sharedKey, own, their);
  return { own, their, rootKey, sending: chain, receiving: null, previousLength: 0, kept: new Map() };
}

/** For the other (RatchetInitBob, section 3.3): `own` is the pair of the signed pre-key. They read before they send. */
export function awaitRatchet(sharedKey: Uint8Array, own: KeyPair): RatchetState {
  return { own, their: null, rootKey: sharedKey, sending: null, receiving: null, previousLength: 0, kept: new Map() };
}

/** RatchetEncrypt (section 3.4). */
export function encrypt(
  state: RatchetState,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): { state: RatchetState; message: Encrypted } {
  if (state.sending === null) throw new Error('Who awaits a session reads a message before sending one.');
  const { key, next } = step(state.sending);
  const header = {
    ratchetKey: state.own.publicKey,
    previousLength: state.previousLength,
    number: state.sending.length,
  };
  const ciphertext = seal(key, plaintext, joined(associatedData, ...headerParts(header)));
  return { state: { ...state, sending: next }, message: { header, ciphertext } };
}

/** RatchetDecrypt (section 3.5), in any order. Throws `NotAuthentic`; the state that was given is then still the right one. */
export function decrypt(
  state: RatchetState,
  message: Encrypted,
  associatedData: Uint8Array,
): { state: RatchetState; plaintext: Uint8Array } {
  const { header, ciphertext } = message;
  const authenticated = joined(associatedData, ...headerParts(header));
  const name = nameOf(header.ratchetKey, header.number);
  const keptKey = state.kept.get(name);
  if (keptKey !== undefined) {
    const kept = new Map(state.kept);
    kept.delete(name);
    return { state: { ...state, kept }, plaintext: unseal(keptKey, ciphertext, authenticated) };
  }
  let ready = state;
  if (state.their === null || !equalBytes(state.their, header.ratchetKey)) {
    ready = turnToward(skip(state, header.previousLength), header.ratchetKey);
  }
  ready = skip(ready, header.number);
  if (ready.receiving === null || ready.receiving.length !== header.number) throw new NotAuthentic();
  const { key, next } = step(ready.receiving);
  return { state: { ...ready, receiving: next }, plaintext: unseal(key, ciphertext, authenticated) };
}

/** A header as bytes: what is sent, and what a message authenticates behind the associated data (CONCAT, section 3.1). */
export function headerParts(header: Header): Uint8Array[] {
  return [header.ratchetKey, uint32(header.previousLength), uint32(header.number)];
}

/** SkipMessageKeys (section 3.5): keeps the keys of messages up to `until` that have not come yet. */
function skip(state: RatchetState, until: number): RatchetState {
  if (state.receiving === null || state.their === null) return state;
  if (until > state.receiving.length + MAX_SKIP) throw new NotAuthentic();
  let receiving = state.receiving;
  const kept = new Map(state.kept);
  while (receiving.length < until) {
    const { key, next } = step(receiving);
    kept.set(nameOf(state.their, receiving.length), key);
    receiving = next;
  }
  for (const name of kept.keys()) {
    if (kept.size <= MAX_KEPT) break;
    kept.delete(name); // a Map keeps the order of insertion: the oldest
  }
  return { ...state, receiving, kept };
}

/** DHRatchet (section 3.5): a receiving chain for their new key, then a sending chain for a new one of ours. */
function turnToward(state: RatchetState, their: Uint8Array): RatchetState {
  const receiving = turn(state.rootKey, state.own, their);
  const own = generateKeyPair();
  const sending = turn(receiving.rootKey, own, their);
  return {
    own,
    their,
    rootKey: sending.rootKey,
    sending: sending.chain,
    receiving: receiving.chain,
    previousLength: state.sending?.length ?? 0,
    kept: state.kept,
  };
}

/** KDF_RK (section 5.2): HKDF with the root key as salt. */
function turn(rootKey: Uint8Array, own: KeyPair, their: Uint8Array): { rootKey: Uint8Array; chain: Chain } {
  const output = hkdf(sha256, agree(own, their), rootKey, ROOT_INFO, 64);
  return { rootKey: output.slice(0, 32), chain: { key: output.slice(32), length: 0 } };
}

function agree(own: KeyPair, their: Uint8Array): Uint8Array {
  try {
    return x25519.getSharedSecret(own.privateKey, their);
  } catch {
    throw new NotAuthentic(); // a point of small order, whose secret anybody knows
  }
}

/** KDF_CK (section 5.2): HMAC of two different constants, one for the message's key and one for the chain's next. */
function step(chain: Chain): { key: Uint8Array; next: Chain } {
  return {
    key: hmac(sha256, chain.key, Uint8Array.of(2)),
    next: { key: hmac(sha256, chain.key, Uint8Array.of(1)), length: chain.length + 1 },
  };
}

/**
 * ENCRYPT (section 5.2): AES-256-CBC, then HMAC-SHA256 over the associated data and the ciphertext, appended in full. A message key
 * encrypts one message.
 */
export function seal(messageKey: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Uint8Array {
  const { encryptionKey, authenticationKey, iv } = expand(messageKey);
  const encrypted = cbc(encryptionKey, iv).encrypt(plaintext);
  return concatBytes(encrypted, hmac(sha256, authenticationKey, concatBytes(associatedData, encrypted)));
}

/** DECRYPT (section 3.1): the authentication is checked, in constant time, before anything is decrypted. Throws `NotAuthentic`. */
export function unseal(messageKey: Uint8Array, ciphertext: Uint8Array, associatedData: Uint8Array): Uint8Array {
  const { encryptionKey, authenticationKey, iv } = expand(messageKey);
  const encrypted = ciphertext.subarray(0, -32);
  const expected = hmac(sha256, authenticationKey, concatBytes(associatedData, encrypted));
  if (!equalBytes(ciphertext.subarray(-32), expected)) throw new NotAuthentic();
  return cbc(encryptionKey, iv).decrypt(encrypted);
}

function expand(messageKey: Uint8Array): {
  encryptionKey: Uint8Array;
  authenticationKey: Uint8Array;
  iv: Uint8Array;
} {
  const output = hkdf(sha256, messageKey, new Uint8Array(32), MESSAGE_INFO, 80);
  return { encryptionKey: output.slice(0, 32), authenticationKey: output.slice(32, 64), iv: output.slice(64) };
}

function nameOf(ratchetKey: Uint8Array, number: number): string {
  return `${bytesToHex(ratchetKey)}:${number}`;
}

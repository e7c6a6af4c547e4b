/** XEdDSA against vectors of the Python package `XEdDSA`; tests/test_docs_typescript.py checks that they are. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { bytesToNumberLE, concatBytes, hexToBytes, numberToBytesLE } from '@noble/curves/utils.js';
import { sha512 } from '@noble/hashes/sha2.js';

import { generateKeyPair } from '../../core/keys/x3dh.ts';
import { sign, verify } from '../../core/keys/xeddsa.ts';

interface Vector {
  privateKey: string;
  publicKey: string;
  message: string;
  random: string;
  signature: string;
  /** Whether the private key had to be negated. */
  negated: boolean;
}

const vectors = JSON.parse(readFileSync(new URL('xeddsa-vectors.json', import.meta.url), 'utf8')) as Vector[];
const message = new TextEncoder().encode('thirty-two bytes of a public key');

test('signatures of another implementation are verified', () => {
  for (const vector of vectors) {
    assert.deepEqual(x25519.getPublicKey(hexToBytes(vector.privateKey)), hexToBytes(vector.publicKey));
    assert.ok(verify(hexToBytes(vector.publicKey), hexToBytes(vector.message), hexToBytes(vector.signature)));
  }
});

test('from the same randomness the same signature is made, byte for byte', () => {
  // Where it need not negate the private key, the other implementation hashes it as it is, Signal's specification modulo q. That
  // makes another nonce and nothing else, so only the negated ones can be the same.
  const negated = vectors.filter((vector) => vector.negated);
  assert.ok(negated.length >= 3);
  for (const { privateKey, message: signed, random, signature } of negated) {
    assert.deepEqual(sign(hexToBytes(privateKey), hexToBytes(signed), hexToBytes(random)), hexToBytes(signature));
  }
});

test('a signature is good for one key and one message, and for no other signature', () => {
  const { privateKey, publicKey } = generateKeyPair();
  const signature = sign(privateKey, message);
  assert.ok(verify(publicKey, message, signature));
  assert.ok(!verify(generateKeyPair().publicKey, message, signature));
  assert.ok(!verify(publicKey, message.subarray(1), signature));
  for (let bit = 0; bit < 512; bit += 3) {
    const flipped = signature.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.ok(!verify(publicKey, message, flipped), `bit ${bit}`);
  }
});

test('the order of the group cannot be added to a signature', () => {
  const { privateKey, publicKey } = generateKeyPair();
  const signature = sign(privateKey, message);
  signature.set(numberToBytesLE(bytesToNumberLE(signature.subarray(32)) + ed25519.Point.Fn.ORDER, 32), 32);
  assert.ok(!verify(publicKey, message, signature));
});

test('what is no key, or a key that everybody has, verifies nothing', () => {
  const signature = sign(generateKeyPair().privateKey, message);
  const ones = new Uint8Array(32).fill(0xff);
  const minusOne = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 0xec : i === 31 ? 0x7f : 0xff));
  for (const key of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31)), ones, minusOne, new Uint8Array(31)]) {
    assert.ok(!verify(key, message, signature));
    // R = 0, s = 0 is what a key of small order would accept: A times anything is the neutral element, one time in eight or always.
    assert.ok(!verify(key, message, Uint8Array.of(1, ...new Uint8Array(63))));
  }
  assert.ok(!verify(generateKeyPair().publicKey, message, signature.subarray(1)));
});

test('a key has one form: the prime of the curve cannot be added to it', () => {
  const { privateKey, publicKey } = generateKeyPair();
  const same = numberToBytesLE(bytesToNumberLE(publicKey) + ed25519.Point.Fp.ORDER, 32);
  assert.ok(!verify(same, message, sign(privateKey, message)));
});

test('a signature as libsignal makes it, with the sign of its point in the top bit, is taken too', () => {
  let seen = 0;
  for (let attempt = 0; attempt < 32 && seen < 2; attempt++) {
    const { privateKey, publicKey } = generateKeyPair();
    const signature = signedLikeLibsignal(privateKey);
    if ((signature[63]! & 0x80) === 0) continue;
    seen++;
    assert.ok(verify(publicKey, message, signature));
    signature[63]! ^= 0x80;
    assert.ok(!verify(publicKey, message, signature));
  }
  assert.equal(seen, 2);
});

/** Plain Ed25519 with the scalar of X25519, never negated; the sign goes where a signature has a free bit. */
function signedLikeLibsignal(privateKey: Uint8Array): Uint8Array {
  const { BASE, Fn } = ed25519.Point;
  const clamped = privateKey.slice();
  clamped[0]! &= 248;
  clamped[31] = (clamped[31]! & 127) | 64;
  const k = Fn.create(bytesToNumberLE(clamped));
  const A = BASE.multiply(k).toBytes();
  const r = 123_456_789n; // a test's
  const R = BASE.multiply(r).toBytes();
  const h = Fn.create(bytesToNumberLE(sha512(concatBytes(R, A, message))));
  const s = Fn.toBytes(Fn.create(r + h * k));
  s[31]! |= A[31]! & 0x80;
  return concatBytes(R, s);
}

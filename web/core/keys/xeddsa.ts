/**
 * XEdDSA: an Ed25519 signature by an X25519 key, so that one identity key both agrees on secrets and signs.
 * https://signal.org/docs/specifications/xeddsa/ (revision 1). Parley verifies the signature of every signed pre-key.
 */

import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToNumberLE, concatBytes, equalBytes, numberToBytesLE } from '@noble/curves/utils.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';

const { BASE, Fn, Fp } = ed25519.Point;

/** The prefix of hash_1 (section 2.5): 2^256 - 2, little-endian. No point is encoded so, and other hashes begin with a point. */
const HASH_1 = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 0xfe : 0xff));

/** In the last byte of a point: whether its x is odd (RFC 8032 section 5.1.2). */
const SIGN = 0x80;

/** Signs with an X25519 private key of 32 bytes (section 3). `random` is 64 fresh secret bytes; only tests pass their own. */
export function sign(privateKey: Uint8Array, message: Uint8Array, random: Uint8Array = randomBytes(64)): Uint8Array {
  const { a, A } = signingKey(privateKey);
  const r = scalar(sha512(concatBytes(HASH_1, numberToBytesLE(a, 32), message, random)));
  const R = BASE.multiply(r).toBytes();
  const h = scalar(sha512(concatBytes(R, A, message)));
  return concatBytes(R, numberToBytesLE(Fn.create(r + h * a), 32));
}

/**
 * Whether `signature` over `message` was made by the owner of the X25519 `publicKey` (section 3). Never throws.
 *
 * libsignal keeps the sign of the signer's Edwards point in the top bit of the signature where XEdDSA makes that sign 0: like the
 * server, this takes both, so that such a client can be talked to.
 */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const u = bytesToNumberLE(publicKey);
  const R = signature.subarray(0, 32);
  const negative = (signature[63]! & SIGN) !== 0;
  const s = bytesToNumberLE(signature.subarray(32)) - (negative ? 1n << 255n : 0n);
  if (u >= Fp.ORDER || s >= Fn.ORDER) return false;
  try {
    const A = negative ? toEdwards(u).negate() : toEdwards(u);
    if (A.isSmallOrder()) return false; // anybody could sign for such a key
    const h = scalar(sha512(concatBytes(R, A.toBytes(), message)));
    const expected = BASE.multiplyUnsafe(s).subtract(A.multiplyUnsafe(h)); // "unsafe" is variable time: all of it is public
    return equalBytes(R, expected.toBytes());
  } catch {
    return false; // no point of the curve
  }
}

/** calculate_key_pair (section 2.3): the private scalar whose Edwards public key has the sign bit 0, and that public key. */
function signingKey(privateKey: Uint8Array): { a: bigint; A: Uint8Array } {
  const k = scalar(clamped(privateKey));
  const E = BASE.multiply(k);
  const negative = (E.toBytes()[31]! & SIGN) !== 0;
  return negative ? { a: Fn.neg(k), A: E.negate().toBytes() } : { a: k, A: E.toBytes() };
}

/** convert_mont (section 2.3): the Edwards point with the sign bit 0 for the u of an X25519 key. Throws when there is none. */
function toEdwards(u: bigint): InstanceType<typeof ed25519.Point> {
  const y = Fp.div(Fp.sub(u, Fp.ONE), Fp.add(u, Fp.ONE));
  return ed25519.Point.fromBytes(Fp.toBytes(y));
}

/** As X25519 reads a private key (RFC 7748 section 5). */
function clamped(privateKey: Uint8Array): Uint8Array {
  if (privateKey.length !== 32) throw new Error('An X25519 private key has 32 bytes.');
  const bytes = Uint8Array.from(privateKey);
  bytes[0]! &= 248;
  bytes[31]! = (bytes[31]! & 127) | 64;
  return bytes;
}

/** Little-endian bytes as a number modulo the order of the group. */
function scalar(bytes: Uint8Array): bigint {
  return Fn.create(bytesToNumberLE(bytes));
}

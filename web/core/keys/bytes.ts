/** Bytes and what they are written as: base64 for the API, UTF-8 for text, a length before each part of what is hashed or sent. */

import { bytesToHex, concatBytes } from '@noble/curves/utils.js';
import { randomBytes } from '@noble/hashes/utils.js';

/** Standard, padded base64 (RFC 4648 section 4), the form of every `Base64` in the API. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** Throws on what is not base64. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Throws on half a character (a lone surrogate): TextEncoder would replace it in silence, and the user did not write that. */
export function toUtf8(text: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) throw new Error('The text has half a character in it (a lone surrogate).');
  return new TextEncoder().encode(text);
}

/** Throws on bytes that are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** A name that nobody guesses; unlike `crypto.randomUUID` also where a page came over plain http. */
export function randomId(): string {
  return bytesToHex(randomBytes(16));
}

/** A number below 2^32 as 4 bytes, big-endian. */
export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** lp: the parts, each after its length in 4 bytes, so that ("ab", "c") and ("a", "bc") differ. Text is UTF-8. */
export function joined(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const encoded = parts.map((part) => (typeof part === 'string' ? toUtf8(part) : part));
  return concatBytes(...encoded.flatMap((part) => [uint32(part.length), part]));
}

/** All parts that `joined` put together. Throws on bytes that it does not make. */
export function parts(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + 4 > bytes.length ? Number.NaN : new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    at += 4 + length;
    if (!(at <= bytes.length)) throw new Error('The message is cut off.');
    found.push(bytes.slice(at - length, at));
  }
  return found;
}

/** What `joined` put together. Throws unless these are exactly its parts: `lengths` has one for each, null where any will do. */
export function split<const Lengths extends readonly (number | null)[]>(
  bytes: Uint8Array,
  lengths: Lengths,
): { -readonly [Index in keyof Lengths]: Uint8Array } {
  const found = parts(bytes);
  if (found.length !== lengths.length) throw new Error('The message has another number of parts.');
  found.forEach((part, index) => {
    const expected = lengths[index];
    if (expected != null && part.length !== expected) throw new Error('The message has a part of another length.');
  });
  return found as { -readonly [Index in keyof Lengths]: Uint8Array };
}

/** What is joined is split again, and nothing else is. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fromBase64, joined, split, toBase64 } from '../../core/keys/bytes.ts';

test('parts come back as they were, whatever their lengths', () => {
  const parts = [Uint8Array.of(1, 2), new Uint8Array(), new Uint8Array(70_000).fill(7)];
  assert.deepEqual(split(joined(...parts), [null, 0, 70_000]), parts);
});

test('parts of other lengths, other numbers of parts, and what is cut off are refused', () => {
  const bytes = joined(Uint8Array.of(1, 2), Uint8Array.of(3));
  assert.throws(() => split(bytes, [2, 2]), /another length/);
  assert.throws(() => split(bytes, [null]), /number of parts/);
  assert.throws(() => split(bytes, [null, null, null]), /number of parts/);
  assert.throws(() => split(bytes.subarray(0, -1), [null, null]), /cut off/);
  assert.throws(() => split(Uint8Array.of(0xff, 0xff, 0xff, 0xff), [null]), /cut off/);
});

test('base64 is that of the API, for as many bytes as a ciphertext may have', () => {
  assert.equal(toBase64(Uint8Array.of(0xfb, 0xff)), '+/8=');
  const bytes = Uint8Array.from({ length: 64 * 1024 }, (_, index) => index & 0xff);
  assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
});

/** Commitments against the published vectors, which the server's own tests check too. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { bytesToHex, hexToBytes } from '@noble/curves/utils.js';

import { joined } from '../../core/keys/bytes.ts';
import { commit } from '../../core/keys/franking.ts';

interface Published {
  readonly lp: readonly { readonly parts: readonly string[]; readonly bytes: string }[];
  readonly vectors: readonly {
    readonly name: string;
    readonly roomId: string;
    readonly memberId: string;
    readonly plaintext: string;
    readonly openingKey: string;
    readonly commitment: string;
  }[];
}

const file = new URL('../../../docs/franking-vectors.json', import.meta.url);
const published = JSON.parse(readFileSync(file, 'utf8')) as Published;

test('parts are joined as published', () => {
  assert.ok(published.lp.length > 0);
  for (const { parts, bytes } of published.lp) assert.equal(bytesToHex(joined(...parts)), bytes);
});

test('commitments are those published', () => {
  assert.ok(published.vectors.length > 0);
  for (const { name, roomId, memberId, plaintext, openingKey, commitment } of published.vectors) {
    assert.equal(bytesToHex(commit(hexToBytes(openingKey), roomId, memberId, plaintext)), commitment, name);
  }
});

test('half a character is refused, not replaced', () => {
  assert.throws(() => commit(new Uint8Array(32), 'room', 'member', 'a\ud83d'), /half a character/);
});

/** Two chats without a network: sessions, trust, franking, and what must not be shown. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sha256 } from '@noble/hashes/sha2.js';

import { fromBase64, toBase64 } from '../../core/keys/bytes.ts';
import { Chat, IdentityChanged, MOST_SESSIONS, safetyNumber } from '../../core/keys/chat.ts';
import { Device, MOST_KEPT } from '../../core/keys/device.ts';
import type { Delivered, KeyBundle, Sealed } from '../../core/keys/types.ts';
import { generateKeyPair } from '../../core/keys/x3dh.ts';

/** What the server answers to a claim. It hands each one-time key out once; `taken` says which one this is. */
function claim(published: ReturnType<Device['bundle']>, taken = 0): KeyBundle {
  const { identityKey, signedPreKey, oneTimePreKeys } = published;
  return { identityKey, signedPreKey, oneTimePreKey: oneTimePreKeys[taken] ?? null };
}

/** As the server delivers it: with its tag. */
function sent({ ciphertext, commitment }: Sealed): Delivered {
  const ciphertextHash = toBase64(sha256(fromBase64(ciphertext)));
  return { ciphertext, commitment, frankingTag: { ciphertextHash } };
}

function flipped(text: string, at: number): string {
  return toBase64(fromBase64(text).map((byte, i) => (i === at ? byte ^ 1 : byte)));
}

function two(room = 'room'): { alice: Chat; bob: Chat } {
  return { alice: new Chat(new Device(), room, 'alice', 'bob'), bob: new Chat(new Device(), room, 'bob', 'alice') };
}

test('a session begins with the keys that were left on the server, whichever message comes first', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(1)));
  const lines = ['one', 'two', 'three'].map((text) => sent(alice.encrypt(text)));
  assert.equal(bob.decrypt(lines[2]!).text, 'three');
  assert.equal(bob.decrypt(lines[0]!).text, 'one');
  assert.equal(alice.decrypt(sent(bob.encrypt('answer'))).text, 'answer');
  const fourth = sent(alice.encrypt('four'));
  assert.equal(bob.decrypt(fourth).text, 'four');
  const [before, after] = [lines[0]!, fourth].map((line) => fromBase64(line.ciphertext).length) as [number, number];
  assert.equal(before - after, 3 * (4 + 32), 'once answered, a message carries no opening');
  assert.equal(bob.decrypt(lines[1]!).text, 'two');
  assert.throws(() => bob.decrypt(lines[1]!));
  assert.equal(alice.safetyNumber, bob.safetyNumber);
  assert.match(alice.safetyNumber, /^(\d{5} ){11}\d{5}$/);
});

test('a tab that was closed goes on from what it stored', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(1)));
  const late = sent(alice.encrypt('late'));
  assert.equal(bob.decrypt(sent(alice.encrypt('hello'))).text, 'hello');
  const [device, state] = [new Device(structuredClone(bob.device.state)), structuredClone(bob.state)];
  const again = new Chat(device, 'room', 'bob', 'alice', state);
  assert.equal(again.decrypt(late).text, 'late');
  assert.equal(alice.decrypt(sent(again.encrypt('here I am'))).text, 'here I am');
  assert.deepEqual(device.moreKeys(1)[0]?.keyId, bob.device.moreKeys(1)[0]?.keyId);
});

test('without a one-time key a session begins all the same', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(0)));
  assert.equal(bob.decrypt(sent(alice.encrypt('hello'))).text, 'hello');
});

test('a one-time key serves one session, and a message that is not genuine does not use it up', () => {
  const { alice, bob } = two();
  const published = bob.device.bundle(1);
  alice.start(claim(published));
  const hello = alice.encrypt('hello');
  const last = fromBase64(hello.ciphertext).length - 1;
  assert.throws(() => bob.decrypt(sent({ ...hello, ciphertext: flipped(hello.ciphertext, last) })));
  assert.equal(bob.decrypt(sent(hello)).text, 'hello');
  const second = new Chat(alice.device, 'room', 'alice', 'bob');
  second.start(claim(published));
  assert.throws(() => bob.decrypt(sent(second.encrypt('again'))), /used already/);
});

test('the signed pre-key before the newest still serves, an older one does not', () => {
  const { alice, bob } = two();
  const first = bob.device.bundle(0);
  alice.start(claim(first));
  const late = sent(alice.encrypt('late'));
  bob.device.bundle(0);
  assert.equal(bob.decrypt(late).text, 'late');
  bob.device.bundle(0);
  const other = new Chat(alice.device, 'room', 'alice', 'bob');
  other.start(claim(first));
  assert.throws(() => bob.decrypt(sent(other.encrypt('too late'))), /is gone/);
});

test('both may write first at once', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(1)));
  bob.start(claim(alice.device.bundle(1)));
  const [fromAlice, fromBob] = [sent(alice.encrypt('hello')), sent(bob.encrypt('hi'))];
  assert.equal(alice.decrypt(fromBob).text, 'hi');
  assert.equal(bob.decrypt(fromAlice).text, 'hello');
  for (let turn = 0; turn < 4; turn++) {
    const [toBob, toAlice] = [sent(alice.encrypt(`a${turn}`)), sent(bob.encrypt(`b${turn}`))];
    assert.equal(bob.decrypt(toBob).text, `a${turn}`);
    assert.equal(alice.decrypt(toAlice).text, `b${turn}`);
  }
});

test('keys that the identity key did not sign are refused', () => {
  const { alice, bob } = two();
  const mallory = new Device().bundle(1);
  const genuine = claim(bob.device.bundle(1));
  assert.throws(() => alice.start({ ...genuine, signedPreKey: mallory.signedPreKey }), /in the middle/);
  assert.throws(() => alice.start({ ...genuine, identityKey: mallory.identityKey }), /in the middle/);
  assert.equal(alice.started, false);
  alice.start(genuine);
});

test('another identity is refused both ways until people agree to it', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(1)));
  bob.decrypt(sent(alice.encrypt('hello')));
  const old = sent(bob.encrypt('on its way'));

  const renewed = new Chat(new Device(), 'room', 'bob', 'alice');
  renewed.start(claim(alice.device.bundle(1)));
  const greeting = sent(renewed.encrypt('it is me, Bob'));
  assert.throws(() => alice.decrypt(greeting), IdentityChanged);
  alice.pause();
  assert.throws(() => alice.start(claim(renewed.device.bundle(1))), IdentityChanged);
  assert.equal(alice.decrypt(old).text, 'on its way');
  assert.equal(alice.started, false, 'a late message is no reason to write to the old device');

  alice.trust(renewed.device.identity.publicKey);
  assert.equal(alice.decrypt(greeting).text, 'it is me, Bob');
  assert.equal(alice.safetyNumber, renewed.safetyNumber);
});

test('a message is good in its own room and from its own sender only', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(0)));
  const hello = sent(alice.encrypt('hello'));
  assert.throws(() => new Chat(bob.device, 'another room', 'bob', 'alice').decrypt(hello));
  assert.throws(() => new Chat(bob.device, 'room', 'bob', 'carol').decrypt(hello));
  assert.equal(bob.decrypt(hello).text, 'hello');
});

test('what could not be reported is not shown', () => {
  const commitments: [RegExp, (message: Delivered, other: Delivered) => Delivered][] = [
    [/cannot be reported/, (message) => ({ ...message, commitment: null })],
    [/cannot be reported/, (message) => ({ ...message, frankingTag: null })],
    [/something else/, (message, other) => ({ ...message, commitment: other.commitment })],
    [/another message/, (message, other) => ({ ...message, frankingTag: other.frankingTag })],
  ];
  for (const [reason, change] of commitments) {
    const { alice, bob } = two();
    alice.start(claim(bob.device.bundle(1)));
    const other = sent(alice.encrypt('hello'));
    assert.throws(() => bob.decrypt(change(sent(alice.encrypt('hello')), other)), reason);
    assert.equal(bob.decrypt(other).text, 'hello');
  }
});

test('whatever bytes come, they are refused', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(1)));
  const hello = alice.encrypt('hello');
  const bytes = fromBase64(hello.ciphertext);
  for (let at = 0; at < bytes.length; at += 11) {
    assert.throws(() => bob.decrypt(sent({ ...hello, ciphertext: flipped(hello.ciphertext, at) })), `byte ${at}`);
    assert.throws(() => bob.decrypt(sent({ ...hello, ciphertext: toBase64(bytes.slice(0, at)) })), `cut at ${at}`);
  }
  assert.throws(() => bob.decrypt(sent({ ...hello, ciphertext: toBase64(Uint8Array.of(...bytes, 0)) })));
  assert.throws(() => bob.decrypt({ ...sent(hello), ciphertext: '?' }));
  assert.equal(bob.decrypt(sent(hello)).text, 'hello');
});

test('texts of any length and script arrive as they are', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(1)));
  for (const text of ['', 'a', '\ufeffbyte order mark', 'naïve 日本語 🙂', 'x'.repeat(60_000)]) {
    assert.equal(bob.decrypt(sent(alice.encrypt(text))).text, text);
  }
  assert.throws(() => alice.encrypt('half \ud83d'), /half a character/);
});

test('two pairs of keys have the same number in either order, and no other pair has it', () => {
  const [one, other, third] = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  assert.equal(safetyNumber(one, other), safetyNumber(other, one));
  assert.notEqual(safetyNumber(one, other), safetyNumber(one, third));
});

test('of many sessions the longest unused is forgotten, and of one-time keys the oldest', () => {
  const { alice, bob } = two();
  alice.start(claim(bob.device.bundle(1)));
  const first = sent(alice.encrypt('first'));
  const published = bob.device.bundle(0);
  for (let number = 0; number < MOST_SESSIONS + 2; number++) {
    assert.equal(bob.decrypt(sent(alice.encrypt('in use'))).text, 'in use');
    const other = new Chat(alice.device, 'room', 'alice', 'bob');
    other.start(claim(published));
    assert.equal(bob.decrypt(sent(other.encrypt('anew'))).text, 'anew');
  }
  assert.equal(bob.state.sessions.size, MOST_SESSIONS);
  assert.equal(bob.decrypt(first).text, 'first');

  const { device } = alice;
  const [old] = device.moreKeys(1);
  const kept = device.state.oneTimePreKeys;
  const pair = generateKeyPair();
  while (kept.size < MOST_KEPT) kept.set(`unused ${kept.size}`, pair);
  device.moreKeys(1);
  assert.equal(kept.size, MOST_KEPT);
  assert.equal(kept.has(Buffer.from(old!.key, 'base64').toString('hex')), false);
});

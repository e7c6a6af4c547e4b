/** The Double Ratchet with messages that come out of order, late, twice, changed, or never. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  awaitRatchet,
  decrypt,
  type Encrypted,
  encrypt,
  MAX_KEPT,
  MAX_SKIP,
  NotAuthentic,
  type RatchetState,
  startRatchet,
} from '../../core/keys/ratchet.ts';
import { generateKeyPair } from '../../core/keys/x3dh.ts';

const associatedData = new TextEncoder().encode('who talks to whom');

/** One side: keeps its state as an application does. */
class Side {
  state: RatchetState;

  constructor(state: RatchetState) {
    this.state = state;
  }

  says(text: string): Encrypted {
    const { state, message } = encrypt(this.state, new TextEncoder().encode(text), associatedData);
    this.state = state;
    return message;
  }

  reads(message: Encrypted): string {
    const { state, plaintext } = decrypt(this.state, message, associatedData);
    this.state = state;
    return new TextDecoder().decode(plaintext);
  }
}

function pair(): [Side, Side] {
  const sharedKey = new Uint8Array(32).fill(7);
  const own = generateKeyPair();
  return [new Side(startRatchet(sharedKey, own.publicKey)), new Side(awaitRatchet(sharedKey, own))];
}

test('two people talk, each line under a key of its own', () => {
  const [alice, bob] = pair();
  const seen = new Set<string>();
  for (let turn = 0; turn < 20; turn++) {
    const [from, to] = turn % 3 === 0 ? [alice, bob] : turn % 3 === 1 ? [bob, alice] : [alice, bob];
    const message = from.says('the same words');
    assert.equal(to.reads(message), 'the same words');
    seen.add(String(message.ciphertext));
  }
  assert.equal(seen.size, 20);
});

test('whatever the order in which messages of several turns arrive, each is read once', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const next = random(seed);
    const [alice, bob] = pair();
    const underway: { to: Side; message: Encrypted; text: string }[] = [];
    assert.equal(bob.reads(alice.says('first')), 'first');
    for (let step = 0; step < 60; step++) {
      if (underway.length > 0 && next() < 0.5) {
        const [{ to, message, text }] = underway.splice(Math.floor(next() * underway.length), 1) as [
          (typeof underway)[0],
        ];
        assert.equal(to.reads(message), text);
        assert.throws(() => to.reads(message), NotAuthentic);
      } else {
        const [from, to] = next() < 0.5 ? [alice, bob] : [bob, alice];
        const text = `seed ${seed}, step ${step}`;
        underway.push({ to, message: from.says(text), text });
      }
    }
    for (const { to, message, text } of underway.reverse()) assert.equal(to.reads(message), text);
  }
});

test('a message that was changed anywhere is refused, and leaves the session as it was', () => {
  const [alice, bob] = pair();
  assert.equal(bob.reads(alice.says('first')), 'first');
  bob.says('a turn');
  const message = alice.says('genuine');
  const before = bob.state;
  const { header, ciphertext } = message;
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const changed: Encrypted[] = [
    ...Array.from(ciphertext, (_, at) => ({ header, ciphertext: flipped(ciphertext, at) })),
    ...Array.from(header.ratchetKey, (_, at) => ({
      header: { ...header, ratchetKey: flipped(header.ratchetKey, at) },
      ciphertext,
    })),
    { header: { ...header, number: header.number + 1 }, ciphertext },
    { header: { ...header, previousLength: 1 }, ciphertext },
    { header: { ...header, ratchetKey: new Uint8Array(32) }, ciphertext },
    { header, ciphertext: ciphertext.subarray(1) },
    { header, ciphertext: new Uint8Array() },
  ];
  for (const forged of changed) {
    assert.throws(() => bob.reads(forged), NotAuthentic);
    assert.equal(bob.state, before);
  }
  assert.throws(() => decrypt(bob.state, message, new Uint8Array()), NotAuthentic);
  assert.equal(bob.reads(message), 'genuine');
});

test('a sender cannot make us compute without end', () => {
  const [alice, bob] = pair();
  assert.equal(bob.reads(alice.says('first')), 'first');
  for (let skipped = 0; skipped < MAX_SKIP; skipped++) alice.says('lost');
  assert.equal(bob.reads(alice.says('just near enough')), 'just near enough');
  for (let skipped = 0; skipped <= MAX_SKIP; skipped++) alice.says('lost');
  assert.throws(() => bob.reads(alice.says('too far')), NotAuthentic);
});

test('keys of messages that never came are kept up to a number, the newest ones', () => {
  const [alice, bob] = pair();
  assert.equal(bob.reads(alice.says('first')), 'first');
  const lost: Encrypted[] = [];
  for (let turn = 0; turn < 3; turn++) {
    for (let skipped = 0; skipped < MAX_SKIP; skipped++) lost.push(alice.says(`lost ${lost.length}`));
    bob.reads(alice.says('here'));
  }
  assert.equal(bob.state.kept.size, MAX_KEPT);
  assert.throws(() => bob.reads(lost[0]!), NotAuthentic);
  assert.equal(bob.reads(lost[lost.length - 1]!), `lost ${lost.length - 1}`);
});

test('who has stolen a state cannot read what comes after both have spoken', () => {
  const [alice, bob] = pair();
  assert.equal(bob.reads(alice.says('first')), 'first');
  const thief = new Side(bob.state);
  assert.equal(thief.reads(alice.says('in his hands')), 'in his hands');
  alice.reads(bob.says('mine'));
  bob.reads(alice.says('yours'));
  alice.reads(bob.says('healed'));
  assert.throws(() => thief.reads(alice.says('out of his hands')), NotAuthentic);
});

test('who awaits a session reads before they write', () => {
  const [, bob] = pair();
  assert.throws(() => bob.says('too early'), /reads a message before/);
});

/** Mulberry32: the same numbers for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

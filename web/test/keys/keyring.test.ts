/** Which identity is published and when, and what is deleted. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Keyring } from '../../core/keys/keyring.ts';
import { type KeyStore, MemoryStore, openStore } from '../../core/keys/store.ts';
import type { PublishKeysInput } from '../../core/keys/types.ts';
import { opened, World } from './world.ts';

const DAY_MS = 24 * 3_600_000;

class Clock {
  ms = 0;
  readonly now = (): number => this.ms;
}

function identity(world: World): string {
  return world.published.get('ada')!.identityKey;
}

async function ringOf(world: World, store: KeyStore, clock = new Clock()): Promise<Keyring> {
  return Keyring.open('ada', world.api('ada'), { store, oneTimeKeys: 3, now: clock.now });
}

/** Enters a room, alone. */
async function enters(ring: Keyring, id: string, kind: 'MATCH' | 'INVITE'): Promise<void> {
  await ring.room({ id, kind, me: 'ada', others: [] });
}

test('each match has an identity of its own, and rooms with friends the lasting one', async () => {
  const world = new World();
  const ring = await ringOf(world, new MemoryStore());
  await ring.publish('lasting');
  const lasting = identity(world);
  const seen = new Set([lasting]);
  for (const match of ['one', 'two', 'three']) {
    await ring.publish('match');
    const fresh = identity(world);
    await ring.publish('match');
    assert.equal(identity(world), fresh, 'nobody has met it yet: it serves');
    await enters(ring, match, 'MATCH');
    seen.add(fresh);
    await ring.close(match);
  }
  assert.equal(seen.size, 4);
  await ring.publish('lasting');
  assert.equal(identity(world), lasting);
});

test('whoever did not publish before they entered a room gets keys all the same', async () => {
  const world = new World();
  const ring = await ringOf(world, new MemoryStore());
  await enters(ring, 'match', 'MATCH');
  const first = identity(world);
  await enters(ring, 'another match', 'MATCH');
  assert.notEqual(identity(world), first);
});

test('the lasting bundle is published again after a week, with the same identity and another signed pre-key', async () => {
  const [world, clock, store] = [new World(), new Clock(), new MemoryStore()];
  const ring = await ringOf(world, store, clock);
  await ring.publish('lasting');
  const first = world.published.get('ada')!;
  clock.ms += 6 * DAY_MS;
  await (await ringOf(world, store, clock)).publish('lasting');
  assert.equal(world.published.get('ada'), first);
  clock.ms += 2 * DAY_MS;
  await ring.publish('lasting');
  const second = world.published.get('ada')!;
  assert.equal(second.identityKey, first.identityKey);
  assert.notEqual(second.signedPreKey.key, first.signedPreKey.key);
});

test('a bundle whose publication was not answered is sent again as it was', async () => {
  const store = new MemoryStore();
  const sent: PublishKeysInput[] = [];
  let answered = false;
  const publishKeys = async (input: PublishKeysInput): Promise<void> => {
    sent.push(input);
    if (!answered) throw new TypeError('the network failed');
  };
  const api = { ...new World().api('ada'), publishKeys };
  await assert.rejects((await Keyring.open('ada', api, { store, oneTimeKeys: 3 })).publish('match'), TypeError);
  answered = true;
  const again = await Keyring.open('ada', api, { store, oneTimeKeys: 3 });
  await again.publish('match');
  await again.publish('match');
  assert.equal(sent.length, 2);
  assert.deepEqual(sent[1], sent[0]);
});

test('one-time keys are refilled to their number, and serve', async () => {
  const world = new World();
  for (const name of ['ada', 'ben']) world.inside.add(name);
  const ada = await opened(world, 'ada');
  world.published.get('ada')!.oneTimePreKeys.splice(0);
  await ada.ring.preKeysLow(1);
  assert.equal(world.published.get('ada')!.oneTimePreKeys.length, 3);
  const ben = await opened(world, 'ben');
  await ada.room.resync(['ben']);
  assert.equal(await ada.reads(await ben.says('hello')), 'hello');
});

test('what ended is deleted: a match with its identity, an account with everything', async () => {
  const world = new World();
  const store = new MemoryStore();
  for (const name of ['ada', 'ben']) world.inside.add(name);
  const [ada, ben] = [await opened(world, 'ada', store), await opened(world, 'ben')];
  await ada.room.resync(['ben']);
  const message = await ben.says('hello');
  assert.equal(await ada.reads(message), 'hello');
  await ada.ring.close('room');
  await assert.rejects(ada.room.encrypt('too late', 'id'), /were deleted/);
  const again = await opened(world, 'ada', store);
  assert.equal(await again.reads(message), 'notForMe', 'neither text nor session is left');
  const before = identity(world);
  await again.ring.forgetAccount();
  await again.ring.publish('lasting');
  assert.notEqual(identity(world), before);
});

test('accounts in one browser do not meet', async () => {
  const store = new MemoryStore();
  const world = new World();
  for (const name of ['ada', 'ada2']) world.inside.add(name);
  const [ada, other] = [await opened(world, 'ada', store), await opened(world, 'ada2', store)];
  await ada.room.resync(['ada2']);
  const message = await other.says('hello');
  assert.equal(await ada.reads(message), 'hello');
  await other.ring.forgetAccount();
  assert.equal(await ada.reads(message), 'hello');
});

test('without IndexedDB everything works in memory, and says so', async () => {
  const ring = await Keyring.open('ada', new World().api('ada'));
  assert.equal(ring.durable, false);
  await ring.publish('match');
});

test('a change that fails leaves nothing behind, and the next one is not held up', async () => {
  const store = await openStore();
  await assert.rejects(
    store.change(async (rows) => {
      await rows.put(['a'], { value: 1 });
      throw new Error('broken off');
    }),
    /broken off/,
  );
  assert.equal(await store.change((rows) => rows.get(['a'])), undefined);
});

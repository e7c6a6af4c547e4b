/** The chat of a room over reloads, retries, second tabs, crashes and new identities. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fromBase64 } from '../../core/keys/bytes.ts';
import { NobodyReads } from '../../core/keys/room.ts';
import { MemoryStore } from '../../core/keys/store.ts';
import { gathered, keysOf, opened, type Somebody, World } from './world.ts';

/** Somebody comes back with another device, and those in the room are told. */
async function another(world: World, name: string, people: readonly Somebody[]): Promise<Somebody> {
  world.published.delete(name);
  const somebody = await opened(world, name, new MemoryStore());
  for (const { room } of people) await room.keysPublished({ memberId: name, identityChanged: true });
  return somebody;
}

function safetyNumber({ room }: Somebody, of: string): string | null | undefined {
  return room.members().find(({ memberId }) => memberId === of)?.safetyNumber;
}

test('a text is encrypted once: a retry, also after a reload, gives the same ciphertext', async () => {
  const world = new World();
  const { ada } = await gathered(world, 'ada', 'ben');
  const first = await ada.room.encrypt('hello', 'id');
  assert.deepEqual(await ada.room.encrypt('hello', 'id'), first);
  const again = await opened(world, 'ada', ada.store);
  assert.deepEqual(await again.room.encrypt('hello', 'id'), first);
  await assert.rejects(again.room.encrypt('something else', 'id'), /Another text/);
});

test('own texts and those of others are there after a reload, with what a report needs of theirs', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben');
  const [mine, theirs] = [await ada.says('mine'), await ben.says('theirs')];
  const read = await ada.room.read(theirs);
  const again = await opened(world, 'ada', ada.store);
  assert.deepEqual(await again.room.read(theirs), read);
  assert.deepEqual(await again.room.read(mine), { text: 'mine', openingKey: null, provable: false });
  assert.equal('provable' in read && read.provable && fromBase64(read.openingKey!).length, 32);
  const elsewhere = await opened(world, 'ada');
  assert.equal(await elsewhere.reads(mine), 'notForMe', 'another device of the sender did not write it');
});

test('no message key is used twice: over tabs at once, reloads, and crashes between the store and the server', async () => {
  const world = new World();
  const { ada, ben, cy } = await gathered(world, 'ada', 'ben', 'cy');
  const used = new Set<string>();
  let tabs = [ada, await opened(world, 'ada', ada.store)];
  let sent = 0;
  for (let round = 0; round < 6; round++) {
    const outgoing = await Promise.all(
      tabs.flatMap((tab) => [0, 1].map((line) => tab.room.encrypt(`line ${line}`, crypto.randomUUID()))),
    );
    for (const [index, { ciphertext }] of outgoing.entries()) {
      for (const key of keysOf(ciphertext)) {
        assert.equal(used.has(key), false, `round ${round} used ${key} again`);
        used.add(key);
        sent += 1;
      }
      if (index % 2 === 0) continue; // the tab was closed before it was sent
      const message = world.deliver('ada', crypto.randomUUID(), outgoing[index]!);
      assert.equal(await ben.reads(message), 'line 1');
    }
    if (round % 2 === 0) await tabs[1]!.reads(await ben.says('an answer turns the ratchet'));
    if (round === 3) for (const tab of tabs) await tab.room.memberLeft('cy');
    tabs = [tabs[1]!, await opened(world, 'ada', ada.store)];
  }
  assert.equal(used.size, sent);
  assert.ok(sent > 24);
  assert.deepEqual(
    world.claimed.filter((claim) => claim.startsWith('ada')),
    ['ada of ben', 'ada of cy'],
    'one claim for each, however many tabs',
  );
  assert.equal(await cy.reads(await ben.says('still here')), 'still here');
});

test('a claim whose answer was lost is repeated under its request ID', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben');
  let lost = true;
  const real = world.api('ada');
  const store = new MemoryStore();
  const flaky = Object.assign(world, {
    api: () => ({
      ...real,
      claimKeyBundle: async (memberId: string, requestId: string) => {
        const bundle = await real.claimKeyBundle(memberId, requestId);
        if (lost) throw new TypeError('the network failed');
        return bundle;
      },
    }),
  });
  const first = await opened(flaky, 'ada', store);
  await assert.rejects(
    first.says('hello'),
    (error) => error instanceof NobodyReads && error.unreadable['ben'] === 'unavailable',
  );
  lost = false;
  const again = await opened(flaky, 'ada', store);
  await ben.room.keysPublished({ memberId: 'ada', identityChanged: true });
  await ben.room.trust('ada');
  assert.equal(await ben.reads(await again.says('hello')), 'hello');
  assert.equal(world.claimed.filter((claim) => claim === 'ada of ben').length, 1);
  void ada;
});

test('a new identity pauses one member until it is trusted, and the numbers to compare are the new ones', async () => {
  const world = new World();
  const { ada, ben, cy } = await gathered(world, 'ada', 'ben', 'cy');
  assert.equal(await ben.reads(await ada.says('hello')), 'hello');
  const old = safetyNumber(ada, 'ben');
  assert.equal(old, safetyNumber(ben, 'ada'));
  const again = await another(world, 'ben', [ada, cy]);
  assert.deepEqual((await ada.room.encrypt('careful', '1')).unreadable, { ben: 'changed' });
  assert.notEqual(safetyNumber(ada, 'ben'), old);
  assert.equal(safetyNumber(ada, 'ben'), safetyNumber(again, 'ada'));
  const early = await again.says('it is me');
  assert.deepEqual([await ada.reads(early), await cy.reads(early)], ['changed', 'changed']);
  await ada.room.trust('ben');
  assert.equal(await ada.reads(early), 'it is me', 'what was refused for that is read afterwards');
  assert.equal(await again.reads(await ada.says('welcome back')), 'welcome back');
  assert.equal(await cy.reads(early), 'changed', 'everybody decides for themselves');
});

test('an identity that changed while nobody listened is found out before anything is sent', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben');
  assert.equal(await ben.reads(await ada.says('hello')), 'hello');
  await another(world, 'ben', []);
  await ada.room.resync(['ben']);
  await assert.rejects(
    ada.says('secret'),
    (error) => error instanceof NobodyReads && error.unreadable['ben'] === 'changed',
  );
});

test('while identities cannot be compared nothing is sent to those who may have changed', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben');
  await ada.says('hello');
  let down = true;
  world.before = (call, account) => {
    if (down && account === 'ada' && call === 'keys') throw new TypeError('the network failed');
  };
  await ada.room.keysPublished({ memberId: 'ben', identityChanged: true });
  await assert.rejects(ada.says('secret'), NobodyReads);
  down = false;
  assert.equal(await ben.reads(await ada.says('it was the same')), 'it was the same');
});

test('an event that tells of what was seen already warns of nothing', async () => {
  const world = new World();
  const { ada } = await gathered(world, 'ada', 'ben');
  let told = 0;
  const ring = ada.ring;
  const room = await ring.room({ id: 'room', kind: 'INVITE', me: 'ada', others: ['ben'] }, () => told++);
  told = 0;
  await room.keysPublished({ memberId: 'ben', identityChanged: true });
  await room.keysPublished({ memberId: 'ada', identityChanged: true });
  assert.deepEqual([told, room.members()[0]?.state], [0, 'ready']);
});

test('a page of history is read newest first', async () => {
  const { ada, ben } = await gathered(new World(), 'ada', 'ben', 'cy');
  const texts = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  const page = [];
  for (const text of texts) page.push(await ada.says(text));
  const read = [];
  for (const message of page.reverse()) read.unshift(await ben.reads(message));
  assert.deepEqual(read, texts);
});

/** Messages for several: who reads them, who does not, and whatever is done to them on their way. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fromBase64, joined, parts, toBase64 } from '../../core/keys/bytes.ts';
import { Chat } from '../../core/keys/chat.ts';
import { Device } from '../../core/keys/device.ts';
import { commit, NotProvable } from '../../core/keys/franking.ts';
import { isGroup } from '../../core/keys/group.ts';
import { NotAuthentic, seal } from '../../core/keys/ratchet.ts';
import { LONGEST_CIPHERTEXT, NobodyReads, TextTooLong } from '../../core/keys/room.ts';
import type { Message } from '../../core/keys/types.ts';
import { gathered, joins, type Somebody, World } from './world.ts';

async function readBy(people: readonly Somebody[], message: Message): Promise<string[]> {
  return Promise.all(people.map((somebody) => somebody.reads(message)));
}

/** The message with another ciphertext, tagged as the server would. */
function changed(world: World, message: Message, ciphertext: Uint8Array): Message {
  return world.deliver(message.sender.id, message.clientMessageId, {
    ciphertext: toBase64(ciphertext),
    commitment: message.commitment!,
  });
}

/** A group ciphertext taken apart: the marks and copies in turn. */
function apart(message: Message): { name: Uint8Array; body: Uint8Array; copies: Uint8Array[] } {
  const [name, body, copies] = parts(fromBase64(message.ciphertext)) as [Uint8Array, Uint8Array, Uint8Array];
  return { name, body, copies: parts(copies) };
}

test('three people talk, each in the session with each, in whatever order messages arrive', async () => {
  const { ada, ben, cy } = await gathered(new World(), 'ada', 'ben', 'cy');
  const lines = [await ada.says('one'), await ada.says('two'), await ben.says('three'), await cy.says('four')];
  for (const message of [...lines].reverse()) {
    const texts = await readBy([ada, ben, cy], message);
    assert.equal(new Set(texts).size, 1, String(texts));
  }
  assert.equal(await cy.reads(await ada.says('five')), 'five');
  assert.deepEqual(await cy.room.read(lines[0]!), await cy.room.read(lines[0]!), 'a text is kept');
});

test('a full room of 16 reads one message, which has one commitment and at most 340 bytes for each', async () => {
  const world = new World();
  const names = Array.from({ length: 16 }, (_, index) => `67e392ef-6b55-423a-981a-ce84932a3f${index + 10}`);
  const everybody = Object.values<Somebody>(await gathered(world, ...names));
  const message = await everybody[0]!.says('Hello, all of you.');
  assert.deepEqual(new Set(await readBy(everybody, message)), new Set(['Hello, all of you.']));
  const { ciphertext } = message;
  const perMember = fromBase64(ciphertext).length / 15;
  assert.ok(perMember < 340, `${perMember} bytes each`);
  assert.equal(new Set(world.claimed).size, 15);
});

test('with one other inside the form is that of two, and grows when a third joins', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben');
  const first = await ada.says('just us');
  assert.equal(isGroup(fromBase64(first.ciphertext)), false);
  const cy = await joins(world, 'cy', [ada, ben]);
  const second = await ada.says('welcome');
  assert.equal(isGroup(fromBase64(second.ciphertext)), true);
  assert.deepEqual(await readBy([ben, cy], second), ['welcome', 'welcome']);
  assert.equal(await ben.reads(first), 'just us');
  assert.equal(await cy.reads(first), 'notForMe');
});

test('whoever joins later reads nothing of before, and whoever left gets no copy', async () => {
  const world = new World();
  const { ada, ben, cy } = await gathered(world, 'ada', 'ben', 'cy');
  const before = await ada.says('before');
  const dee = await joins(world, 'dee', [ada, ben, cy]);
  assert.deepEqual(await readBy([ben, cy, dee], before), ['before', 'before', 'notForMe']);
  for (const somebody of [ada, ben, dee]) await somebody.room.memberLeft('cy');
  const after = await ada.says('after');
  assert.deepEqual(await readBy([ben, cy, dee], after), ['after', 'notForMe', 'after']);
  assert.doesNotMatch(atob(after.ciphertext), /cy/);
});

test('what a member who left had said can be read still', async () => {
  const { ada, ben, cy } = await gathered(new World(), 'ada', 'ben', 'cy');
  const late = await ben.says('my last words');
  await ada.room.memberLeft('ben');
  assert.deepEqual(await readBy([ada, cy], late), ['my last words', 'my last words']);
});

test('who has published no keys holds nobody up, and reads from then on', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben');
  world.inside.add('cy');
  for (const { room } of [ada, ben]) await room.memberJoined('cy');
  const outgoing = await ada.room.encrypt('hello', 'hello');
  assert.deepEqual(outgoing.unreadable, { cy: 'noKeys' });
  assert.deepEqual(
    ada.room.members().map(({ state }) => state),
    ['ready', 'waiting'],
  );
  const hello = world.deliver('ada', 'hello', outgoing);
  assert.equal(await ben.reads(hello), 'hello');
  const cy = await joins(world, 'cy', []);
  await ada.room.keysPublished({ memberId: 'cy', identityChanged: false });
  assert.deepEqual(await readBy([ben, cy], await ada.says('now you')), ['now you', 'now you']);
  assert.equal(await cy.reads(hello), 'notForMe');
});

test('nobody to read it, and a text that does not fit, are errors that change nothing', async () => {
  const world = new World();
  const { ada, ben, cy } = await gathered(world, 'ada', 'ben', 'cy');
  await assert.rejects(ada.says('x'.repeat(LONGEST_CIPHERTEXT)), TextTooLong);
  assert.equal(await ben.reads(await ada.says('x'.repeat(60_000))), 'x'.repeat(60_000));
  for (const name of ['ben', 'cy']) await ada.room.memberLeft(name);
  await assert.rejects(ada.says('alone'), NobodyReads);
  await ada.room.memberJoined('cy');
  assert.equal(await cy.reads(await ada.says('you again')), 'you again');
});

test('a message with one bit changed anywhere is refused, and the genuine one is read all the same', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben', 'cy');
  const message = await ada.says('hello');
  const bytes = fromBase64(message.ciphertext);
  const theirs = apart(message).copies[3]!.length + 4 + 4 + 2; // cy's copy and mark are the last: Ben does not look at them
  for (let at = 0; at < bytes.length - theirs; at += 17) {
    const flipped = bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
    assert.match(await ben.reads(changed(world, message, flipped)), /damaged|notForMe|changed/, `byte ${at}`);
    assert.match(
      await ben.reads(changed(world, message, bytes.slice(0, at))),
      /damaged|notForMe|changed/,
      `cut at ${at}`,
    );
  }
  assert.equal(await ben.reads(message), 'hello');
  assert.match(await ben.reads({ ...message, id: 'again' }), /damaged/, 'a replay under another ID');
});

test('what a hostile sender makes of the envelope is refused', async () => {
  const world = new World();
  const { ada, ben } = await gathered(world, 'ada', 'ben', 'cy');
  const message = await ada.says('hello');
  const { name, body, copies } = apart(message);
  const [mark, copy] = copies as [Uint8Array, Uint8Array];
  const strange = [
    joined(name),
    joined(name, body),
    joined(name, body, new Uint8Array()),
    joined(name, body, joined(mark)),
    joined(name, body, joined(mark, copy, mark, copy)),
    joined(name, body, joined(mark, new Uint8Array())),
    joined(name, body, joined(mark, copy), new Uint8Array()),
    joined(name, new Uint8Array(), joined(mark, copy)),
    joined(name, body, joined(Uint8Array.of(0xff), copy)),
    joined(name, body, joined(...Array.from({ length: 16_000 }, () => new Uint8Array()))),
    joined(name, body, new Uint8Array(60_000).fill(0xff)),
    joined(name, new Uint8Array(LONGEST_CIPHERTEXT), joined(mark, copy)).slice(0, LONGEST_CIPHERTEXT),
    copy,
  ];
  for (const [index, bytes] of strange.entries()) {
    assert.match(await ben.reads(changed(world, message, bytes)), /damaged|notForMe/, `form ${index}`);
  }
});

test('copies may stand in any order, and none serves another message', async () => {
  const world = new World();
  const { ada, ben, cy } = await gathered(world, 'ada', 'ben', 'cy');
  const [one, other] = [await ada.says('yes'), await ada.says('no')];
  const [a, b] = [apart(one), apart(other)];
  const swapped = joined(a.name, b.body, joined(...a.copies));
  assert.equal(await cy.reads(changed(world, one, swapped)), 'damaged');
  assert.equal(await cy.reads({ ...changed(world, other, swapped) }), 'damaged');
  const [m1, c1, m2, c2] = a.copies as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  assert.equal(await ben.reads(changed(world, one, joined(a.name, a.body, joined(m2, c2, m1, c1)))), 'yes');
  assert.equal(await ben.reads(changed(world, other, joined(b.name, b.body, joined(m1, c1)))), 'damaged');
  assert.equal(await ben.reads(other), 'no');
});

test('a commitment to something else is refused: all of them could report, or none', async () => {
  const world = new World();
  const { ada, ben, cy } = await gathered(world, 'ada', 'ben', 'cy');
  const [one, other] = [await ada.says('I know where you live.'), await ada.says('Good luck!')];
  const swapped = { ...one, commitment: other.commitment };
  assert.deepEqual(await readBy([ben, cy], swapped), ['damaged', 'damaged']);
  assert.equal(await ben.reads({ ...other, commitment: null }), 'notProvable');
  assert.equal(await ben.reads({ ...other, id: 'untagged', frankingTag: null }), 'notProvable');
});

/** A group message that Ada makes by hand, for Ben alone: `body` and `copy` are sealed for these commitments. */
function crafted(ada: Chat, text: Uint8Array, body: Uint8Array, copy: Uint8Array): Uint8Array {
  const key = new Uint8Array(32).fill(7);
  const sealed = seal(key, text, joined('parley-example/group/v1', 'room', 'ada', body));
  return joined('parley-example/group/v1', sealed, joined('ben', ada.seal(joined(key), copy)));
}

function adaAndBen(): [Chat, Chat] {
  const [ada, ben] = [new Chat(new Device(), 'room', 'ada', 'ben'), new Chat(new Device(), 'room', 'ben', 'ada')];
  ada.start({ ...ben.device.bundle(0), oneTimePreKey: null });
  return [ada, ben];
}

test('a sender who commits to something else is not shown, though all else is genuine', () => {
  const [ada, ben] = adaAndBen();
  const commitment = commit(new Uint8Array(32), 'room', 'ada', 'Good luck!');
  const threat = joined(new Uint8Array(32), 'I know where you live.');
  const ciphertext = toBase64(crafted(ada, threat, commitment, commitment));
  const message = new World().deliver('ada', 'id', { ciphertext, commitment: toBase64(commitment) });
  assert.throws(() => ben.decrypt(message), NotProvable);
});

test('who knows the key of a message cannot put another text beside its copies', () => {
  const [ada, ben] = adaAndBen();
  const [said, forged] = ['yes', 'no'].map((text) => commit(new Uint8Array(32), 'room', 'ada', text)) as [
    Uint8Array,
    Uint8Array,
  ];
  const world = new World();
  const ciphertext = toBase64(crafted(ada, joined(new Uint8Array(32), 'no'), forged, said)); // Ada's copy is for what she said
  assert.throws(
    () => ben.decrypt(world.deliver('ada', '1', { ciphertext, commitment: toBase64(forged) })),
    NotAuthentic,
  );
  const genuine = toBase64(crafted(ada, joined(new Uint8Array(32), 'yes'), said, said));
  assert.equal(ben.decrypt(world.deliver('ada', '2', { ciphertext: genuine, commitment: toBase64(said) })).text, 'yes');
});

/**
 * Two people talk through a running Parley server that cannot read a word. Run it:
 *
 *     npm run example -- http://localhost:8000
 *
 * Every line that it prints is checked: it ends with an error when the server or the example does not keep a promise.
 */

import assert from 'node:assert/strict';
import { inspect } from 'node:util';

import { WebSocket } from 'ws';

import { fromBase64, toBase64 } from '../core/keys/bytes.ts';
import { commit } from '../core/keys/franking.ts';
import { NobodyReads } from '../core/keys/room.ts';
import { MemoryStore } from '../core/keys/store.ts';
import { Parley } from './parley.ts';
import { type Note, Person } from './person.ts';

const DEADLINE_MS = 15_000;

/** What somebody is told, to be waited for. */
class Notes {
  readonly #waiting: Note[] = [];
  #wake: () => void = () => {};

  readonly tell = (note: Note): void => {
    this.#waiting.push(note);
    this.#wake();
  };

  /** What nobody has waited for. */
  get left(): readonly Note[] {
    return this.#waiting;
  }

  /** The first of this kind. */
  async next<Kind extends Note['kind']>(kind: Kind): Promise<Extract<Note, { kind: Kind }>> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const index = this.#waiting.findIndex((note) => note.kind === kind);
      if (index >= 0) return this.#waiting.splice(index, 1)[0] as Extract<Note, { kind: Kind }>;
      assert.ok(Date.now() < deadline, `no ${kind} came, but ${inspect(this.#waiting)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, deadline - Date.now()).unref();
      });
    }
  }
}

async function arrive(server: string, name: string): Promise<[Person, Notes, Parley]> {
  const notes = new Notes();
  const parley = await Parley.signIn(server, name, WebSocket);
  const person = new Person(parley, name, notes.tell);
  await notes.next('live');
  await person.publishKeys(fewKeys());
  return [person, notes, parley];
}

/** A new device, in memory. With 10 one-time keys the server asks for more as soon as one is used. */
function fewKeys(): { store: MemoryStore; oneTimeKeys: number } {
  return { store: new MemoryStore(), oneTimeKeys: 10 };
}

/** Flips the last bit of a ciphertext. */
function damaged(ciphertext: string): string {
  const bytes = fromBase64(ciphertext);
  bytes[bytes.length - 1]! ^= 1;
  return toBase64(bytes);
}

function tell(line: string): void {
  console.log(line);
}

async function main(server: string): Promise<void> {
  const [alice, toAlice, aliceParley] = await arrive(server, 'Alice');
  const [bob, toBob, bobParley] = await arrive(server, 'Bob');
  const invite = await alice.createRoom('Chess club');
  await bob.joinRoom(invite);
  tell('Alice and Bob published their keys, and are in a room.');

  const first = await bob.say('Hello Alice, shall we play?');
  assert.equal((await toAlice.next('message')).text, 'Hello Alice, shall we play?');
  tell('Bob claimed keys of Alice, which she had left on the server, and his first message began a session.');

  await toAlice.next('refilled');
  tell('The server asked Alice for another one-time key: Bob used one up.');

  await alice.say('With pleasure. White or black?');
  assert.equal((await toBob.next('message')).text, 'With pleasure. White or black?');
  assert.equal(alice.safetyNumber, bob.safetyNumber);
  tell(`They compare their safety numbers by voice: ${bob.safetyNumber}`);

  assert.notEqual(first.frankingTag, null);
  assert.doesNotMatch(atob(first.ciphertext), /Alice|play/);
  tell(
    'What the server keeps is ciphertext, with a tag by which Alice could prove what Bob wrote, should she report it.',
  );

  const say = async () => bob.deliver('white', await bob.keys.encrypt('White.', 'white'));
  const [sent, repeated] = [await say(), await say()];
  assert.equal(repeated.ciphertext, sent.ciphertext);
  assert.equal(repeated.id, sent.id);
  assert.equal((await toAlice.next('message')).text, 'White.');
  tell('Bob did not see the answer and sent the same again: Alice got it once.');

  bobParley.disconnect();
  for (const text of ['Then it is your move.', 'Are you there?', 'Take your time.']) await alice.say(text);
  const history = await bob.history(3);
  assert.deepEqual(history, ['Take your time.', 'Are you there?', 'Then it is your move.']);
  const told = [await toBob.next('message'), await toBob.next('message'), await toBob.next('message')];
  assert.deepEqual(new Set(told.map((note) => note.text)), new Set(history)); // in either order: he may be connected again by now
  tell('Bob lost his connection meanwhile. He fills his screen from below: the newest is decrypted first.');

  await alice.say('Hello?');
  assert.equal((await toBob.next('message')).text, 'Hello?');
  tell('He is connected again. The events that he missed came too, and what he had read was not told twice.');

  const genuine = await bob.keys.encrypt('e4', 'e4');
  await bob.deliver('forged', { ...genuine, ciphertext: damaged(genuine.ciphertext) });
  assert.equal((await toAlice.next('refused')).reason, 'damaged');
  await bob.deliver('e4', genuine);
  assert.equal((await toAlice.next('message')).text, 'e4');
  tell('A message that was changed on its way is refused, and does not harm the session: the genuine one is read.');

  const threat = await bob.keys.encrypt('I know where you live.', 'threat');
  const harmless = commit(new Uint8Array(32), bob.keys.id, bob.keys.me, 'Good luck!');
  await bob.deliver('threat', { ...threat, commitment: toBase64(harmless) });
  assert.equal((await toAlice.next('refused')).reason, 'notProvable');
  tell('A message whose commitment is to something else could not be reported: it is not shown.');

  await bob.replaceDevice(fewKeys());
  await toAlice.next('identityChanged');
  const warning = await alice.say('e5').catch((error: unknown) => error);
  assert.ok(warning instanceof NobodyReads);
  assert.equal(warning.unreadable[alice.peer], 'changed');
  tell('Bob has a new telephone. Alice is warned, and nothing is sent before she agrees.');

  await alice.keys.trust(alice.peer);
  await alice.say('e5');
  assert.equal((await toBob.next('message')).text, 'e5');
  assert.equal(alice.safetyNumber, bob.safetyNumber);
  await toBob.next('refilled');
  tell(`They compare the new numbers and go on: ${alice.safetyNumber}`);

  assert.deepEqual([...toAlice.left, ...toBob.left], []);
  await Promise.all([aliceParley.close(), bobParley.close()]);
}

await main(process.argv[2] ?? 'http://localhost:8000');

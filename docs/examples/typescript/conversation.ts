/**
 * Two people talk through a running Parley server that cannot read a word. Run it:
 *
 *     npm start -- http://localhost:8000
 *
 * Every line that it prints is checked: it ends with an error when the server or the example does not keep a promise.
 */

import assert from 'node:assert/strict';
import { inspect } from 'node:util';

import { WebSocket } from 'ws';

import { fromBase64, toBase64 } from './bytes.ts';
import { IdentityChanged } from './chat.ts';
import { commit } from './franking.ts';
import { Parley } from './parley.ts';
import { Person, type Note } from './person.ts';

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

async function arrive(server: string, name: string, oneTimeKeys: number): Promise<[Person, Notes, Parley]> {
  const notes = new Notes();
  const parley = await Parley.signIn(server, name, WebSocket);
  const person = new Person(parley, notes.tell, oneTimeKeys);
  await notes.next('live');
  await person.publishKeys();
  return [person, notes, parley];
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
  const [alice, toAlice, aliceParley] = await arrive(server, 'Alice', 10);
  const [bob, toBob, bobParley] = await arrive(server, 'Bob', 10);
  const invite = await alice.createRoom('Chess club');
  await bob.joinRoom(invite);
  tell('Alice and Bob published their keys, and are in a room.');

  const first = await bob.say('Hello Alice, shall we play?');
  assert.equal((await toAlice.next('message')).text, 'Hello Alice, shall we play?');
  tell('Bob claimed keys of Alice, which she had left on the server, and his first message began a session.');

  assert.deepEqual(await toAlice.next('refilled'), { kind: 'refilled', oneTimePreKeyCount: 10 });
  tell('The server asked Alice for another one-time key: Bob used one up.');

  await alice.say('With pleasure. White or black?');
  assert.equal((await toBob.next('message')).text, 'With pleasure. White or black?');
  assert.equal(alice.chat.safetyNumber, bob.chat.safetyNumber);
  tell(`They compare their safety numbers by voice: ${bob.chat.safetyNumber}`);

  assert.notEqual(first.frankingTag, null);
  assert.doesNotMatch(atob(first.ciphertext), /Alice|play/);
  tell('What the server keeps is ciphertext, with a tag by which Alice could prove what Bob wrote, should she report it.');

  const draft = { roomId: bob.room.id, clientMessageId: crypto.randomUUID(), ...bob.chat.encrypt('White.') };
  const [sent, repeated] = [await bob.deliver(draft), await bob.deliver(draft)];
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

  const genuine = bob.chat.encrypt('e4');
  const forged = { ...genuine, ciphertext: damaged(genuine.ciphertext) };
  await bob.deliver({ roomId: bob.room.id, clientMessageId: crypto.randomUUID(), ...forged });
  await toAlice.next('refused');
  await bob.deliver({ roomId: bob.room.id, clientMessageId: crypto.randomUUID(), ...genuine });
  assert.equal((await toAlice.next('message')).text, 'e4');
  tell('A message that was changed on its way is refused, and does not harm the session: the genuine one is read.');

  const threat = bob.chat.encrypt('I know where you live.');
  const harmless = commit(new Uint8Array(32), bob.room.id, bob.chat.me, 'Good luck!');
  await bob.deliver({
    roomId: bob.room.id,
    clientMessageId: crypto.randomUUID(),
    ciphertext: threat.ciphertext,
    commitment: toBase64(harmless),
  });
  await toAlice.next('refused');
  tell('A message whose commitment is to something else could not be reported: it is not shown.');

  await bob.replaceDevice();
  await toAlice.next('identityChanged');
  const warning = await alice.say('e5').catch((error: unknown) => error);
  assert.ok(warning instanceof IdentityChanged);
  tell('Bob has a new telephone. Alice is warned, and nothing is sent before she agrees.');

  alice.chat.trust(warning.identityKey);
  await alice.say('e5');
  assert.equal((await toBob.next('message')).text, 'e5');
  assert.equal(alice.chat.safetyNumber, bob.chat.safetyNumber);
  await toBob.next('refilled');
  tell(`They compare the new numbers and go on: ${alice.chat.safetyNumber}`);

  assert.deepEqual([...toAlice.left, ...toBob.left], []);
  await Promise.all([aliceParley.close(), bobParley.close()]);
}

await main(process.argv[2] ?? 'http://localhost:8000');

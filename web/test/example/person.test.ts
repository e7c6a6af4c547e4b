/** What a front end is told after it was away for longer than events are kept. The conversation shows the rest of a person. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toBase64 } from '../../core/keys/bytes.ts';
import { MemoryStore } from '../../core/keys/store.ts';
import type { Sealed } from '../../core/keys/types.ts';
import {
  CLAIM_KEY_BUNDLE,
  type Event,
  JOIN_ROOM,
  KEYS,
  MESSAGES,
  type MessageEdge,
  type Operation,
  PUBLISH_KEYS,
  ROOM,
} from '../../example/operations.ts';
import { type Api, type Note, Person } from '../../example/person.ts';
import { opened, type Somebody, World } from '../keys/world.ts';

const alice = { id: 'alice', displayName: 'Alice', polite: true };
const bob = { id: 'bob', displayName: 'Bob', polite: false };
const room = { id: 'room', inviteCode: null, me: bob, members: [alice, bob] };

/** Bob's way to a world that he shares with Alice. It tells what she has sent, two messages a page; `happen` is an event. */
class Server implements Api {
  readonly world = new World();
  readonly edges: MessageEdge[] = [];
  happen: (event: Event) => void = () => {};

  follow(handle: (event: Event) => void): void {
    this.happen = handle;
  }

  async run<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables): Promise<Data> {
    return (await this.#answer(operation, variables)) as Data;
  }

  runSafely = this.run;

  // biome-ignore lint/suspicious/noExplicitAny: one answer for all operations
  async #answer(operation: unknown, { input, after }: any): Promise<unknown> {
    const api = this.world.api('bob');
    if (operation === JOIN_ROOM) return { joinRoom: { room } };
    if (operation === ROOM) return { room };
    if (operation === KEYS) return { keys: await api.keys('room') };
    if (operation === PUBLISH_KEYS) return { publishKeys: (await api.publishKeys(input)) ?? {} };
    if (operation === CLAIM_KEY_BUNDLE) {
      return { claimKeyBundle: { bundle: await api.claimKeyBundle(input.memberId, input.requestId) } };
    }
    assert.equal(operation, MESSAGES);
    const from = after === undefined ? 0 : Number(after) + 1;
    const edges = this.edges.slice(from, from + 2);
    const pageInfo = { hasNextPage: from + 2 < this.edges.length, endCursor: edges.at(-1)?.cursor ?? null };
    return { messages: { edges, pageInfo } };
  }

  /** Alice says something, and Bob is told of it or not. */
  deliver(sealed: Sealed): MessageEdge {
    const edge = { cursor: String(this.edges.length), node: this.world.deliver('alice', 'any', sealed) };
    this.edges.push(edge);
    return edge;
  }
}

async function meeting(): Promise<{ server: Server; notes: Note[]; person: Person; theirs: Somebody }> {
  const server = new Server();
  const notes: Note[] = [];
  const person = new Person(server, 'bob', (note) => notes.push(note));
  await person.publishKeys({ store: new MemoryStore(), oneTimeKeys: 2 });
  for (const name of ['alice', 'bob']) server.world.inside.add(name);
  const theirs = await opened(server.world, 'alice');
  await person.joinRoom('invite');
  const edge = server.deliver(await theirs.room.encrypt('seen', 'seen'));
  server.happen({ __typename: 'MessageSent', cursor: 'event', room, edge });
  await person.settled();
  assert.deepEqual(notes.splice(0), [{ kind: 'message', id: edge.node.id, text: 'seen' }]);
  return { server, notes, person, theirs };
}

async function resync(server: Server, person: Person): Promise<void> {
  server.happen({ __typename: 'ResyncRequired', cursor: 'event' });
  await person.settled();
}

test('what was said meanwhile is told once, over all pages', async () => {
  const { server, notes, person, theirs } = await meeting();
  for (const text of ['one', 'two', 'three']) server.deliver(await theirs.room.encrypt(text, text));
  server.deliver({ ...(await theirs.room.encrypt('forged', 'forged')), commitment: toBase64(new Uint8Array(32)) });
  await resync(server, person);
  await resync(server, person);
  const told = notes.map((note) => ('text' in note ? note.text : note.kind));
  assert.deepEqual(told, ['one', 'two', 'three', 'refused']);
});

test('another identity that was published meanwhile is warned of, once', async () => {
  const { server, notes, person } = await meeting();
  await resync(server, person);
  assert.deepEqual(notes, []);
  await opened(server.world, 'alice', new MemoryStore());
  await resync(server, person);
  await resync(server, person);
  assert.deepEqual(notes, [{ kind: 'identityChanged' }]);
});

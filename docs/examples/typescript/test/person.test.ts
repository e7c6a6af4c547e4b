/** What a front end is told after it was away for longer than events are kept. The conversation shows the rest of a person. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sha256 } from '@noble/hashes/sha2.js';

import { fromBase64, toBase64 } from '../bytes.ts';
import { Chat } from '../chat.ts';
import { Device } from '../device.ts';
import { JOIN_ROOM, MESSAGES, ROOM_STATE, type Event, type MessageEdge, type Operation } from '../operations.ts';
import { Person, type Api, type Note } from '../person.ts';

const alice = { id: 'alice', displayName: 'Alice', polite: true };
const bob = { id: 'bob', displayName: 'Bob', polite: false };
const room = { id: 'room', inviteCode: null, me: bob, members: [alice, bob] };

/** Answers three operations from what Alice has sent and published, two messages a page; `happen` is an event. */
class Server implements Api {
  readonly edges: MessageEdge[] = [];
  identityKey = '';
  happen: (event: Event) => void = () => {};

  follow(handle: (event: Event) => void): void {
    this.happen = handle;
  }

  async run<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables): Promise<Data> {
    return this.#answer(operation, variables as { after?: string }) as Data;
  }

  runSafely = this.run;

  #answer(operation: unknown, { after }: { after?: string }): unknown {
    if (operation === JOIN_ROOM) return { joinRoom: { room } };
    if (operation === ROOM_STATE) return { room, keys: [{ member: alice, identityKey: this.identityKey }] };
    assert.equal(operation, MESSAGES);
    const from = after === undefined ? 0 : Number(after) + 1;
    const edges = this.edges.slice(from, from + 2);
    const pageInfo = { hasNextPage: from + 2 < this.edges.length, endCursor: edges.at(-1)?.cursor ?? null };
    return { messages: { edges, pageInfo } };
  }

  /** Alice says something, and Bob is told of it or not. */
  deliver({ ciphertext, commitment }: { ciphertext: string; commitment: string }): MessageEdge {
    const ciphertextHash = toBase64(sha256(fromBase64(ciphertext)));
    const frankingTag = { keyId: 'key', ciphertextHash, tag: ciphertextHash };
    const cursor = String(this.edges.length);
    const node = { id: `message ${cursor}`, sender: alice, ciphertext, commitment, frankingTag, sentAt: '' };
    this.edges.push({ cursor, node });
    return { cursor, node };
  }
}

async function meeting(): Promise<{ server: Server; notes: Note[]; theirs: Chat }> {
  const server = new Server();
  const notes: Note[] = [];
  const person = new Person(server, (note) => notes.push(note));
  await person.joinRoom('invite');
  const theirs = new Chat(new Device(), 'room', 'alice', 'bob');
  server.identityKey = toBase64(theirs.device.identity.publicKey);
  theirs.start({ ...person.device.bundle(0), oneTimePreKey: null });
  const edge = server.deliver(theirs.encrypt('seen'));
  server.happen({ __typename: 'MessageSent', cursor: 'event', room, edge });
  assert.deepEqual(notes.splice(0), [{ kind: 'message', id: 'message 0', text: 'seen' }]);
  return { server, notes, theirs };
}

async function resync(server: Server): Promise<void> {
  server.happen({ __typename: 'ResyncRequired', cursor: 'event' });
  await new Promise((resolve) => setImmediate(resolve));
}

test('what was said meanwhile is told once, over all pages', async () => {
  const { server, notes, theirs } = await meeting();
  for (const text of ['one', 'two', 'three']) server.deliver(theirs.encrypt(text));
  server.deliver({ ...theirs.encrypt('forged'), commitment: toBase64(new Uint8Array(32)) });
  await resync(server);
  await resync(server);
  const told = notes.map((note) => ('text' in note ? note.text : note.kind));
  assert.deepEqual(told, ['one', 'two', 'three', 'refused']);
});

test('another identity that was published meanwhile is warned of', async () => {
  const { server, notes } = await meeting();
  await resync(server);
  assert.deepEqual(notes, []);
  server.identityKey = toBase64(new Device().identity.publicKey);
  await resync(server);
  assert.deepEqual(notes, [{ kind: 'identityChanged' }]);
});

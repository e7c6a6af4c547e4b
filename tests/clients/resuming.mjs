/** Somebody's token expires while they follow `events`: their client comes back by itself, and nothing is lost or repeated. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { JOIN, LEAVE } from './documents.mjs';
import { Person, within } from './person.mjs';

/** `lasting` is a connection as docs/CLIENTS.md has it; `shorten` makes a token one that expires in two or three seconds. */
export async function resuming(connect, lasting, url, shorten) {
  const person = new Person(connect, url);
  await person.signIn('Ada');
  const elsewhere = person.connection;
  let joined;
  const joining = new Promise((resolve) => (joined = resolve));
  let left;
  const accessToken = async () => {
    // Until the first event has come: a machine that stands still may let the first token expire before.
    if (!person.cursor) return shorten(person.session.accessToken);
    await joining;
    left ??= elsewhere.run(LEAVE, {}); // while they are away
    await left;
    return person.session.accessToken;
  };
  person.connection = lasting({ url, accessToken, cursor: () => person.cursor });

  await person.arrive();
  const { joinQueue } = await within(elsewhere.run(JOIN, { input: { interests: [randomUUID()], patience: 120 } }), 'joining');
  joined();
  assert.equal((await person.sees('QueueJoined')).ticket.id, joinQueue.ticket.id);
  const { events: event } = await person.events.next('what happened while they were away');
  assert(left, 'the token did not expire');
  assert.equal(event.__typename, 'QueueLeft');
  assert.equal(event.ticket.id, (await left).leaveQueue.ticket.id);
  await Promise.all([person.leave(), elsewhere.close()]);
}

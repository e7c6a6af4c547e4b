/** Two people with the same client are matched, negotiate and part; each checks what reached them. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { JOIN, SEND, SIGNALS, SKIP } from './documents.mjs';
import { Person } from './person.mjs';

/** Line breaks, quotes and letters beyond ASCII: whatever a client or the server would mend shows. */
const OFFER = 'v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=naïve "日本語" 🙂\r\nt=0 0\r\n';
const ANSWER = OFFER.replace('4611731400430051336', '9223372036854775807');
const CANDIDATES = [
  {
    candidate: 'candidate:1 1 udp 2113937151 0b3f9a52-5f2e-4b53-8f0e-0d1d6b6a4d55.local 51472 typ host',
    sdpMid: '0',
    sdpMLineIndex: 0,
    usernameFragment: 'x/Y+',
  },
  { candidate: '', sdpMid: null, sdpMLineIndex: null, usernameFragment: null },
];

export async function meeting(connect, url) {
  const people = [new Person(connect, url), new Person(connect, url)];
  await Promise.all(people.map((person, number) => person.signIn(['Ada', 'Bob'][number])));
  await Promise.all(people.map((person) => person.arrive()));

  const interests = [randomUUID()];
  for (const person of people) {
    const { joinQueue } = await person.run(JOIN, { input: { interests, patience: 120 } });
    assert.deepEqual(joinQueue.ticket.interests, interests);
  }
  const [ada, bob] = await Promise.all(people.map((person) => seated(person)));
  assert.equal(ada.room.id, bob.room.id);
  assert.equal(ada.partner.displayName, 'Bob');
  assert.equal(bob.partner.displayName, 'Ada');
  assert.equal(ada.partner.id, bob.room.me.id);
  assert.notEqual(ada.partner.polite, bob.partner.polite);

  const [caller, callee] = ada.partner.polite ? [bob, ada] : [ada, bob];
  await passes(caller, callee, { offer: { sdp: OFFER } }, { __typename: 'Offer', sdp: OFFER });
  await passes(callee, caller, { answer: { sdp: ANSWER } }, { __typename: 'Answer', sdp: ANSWER });
  const candidates = { candidates: CANDIDATES, endOfCandidates: true };
  await passes(caller, callee, { candidates }, { __typename: 'IceCandidates', ...candidates });
  await passes(callee, caller, { candidates }, { __typename: 'IceCandidates', ...candidates });
  await passes(caller, callee, { hangUp: { reason: 'ENDED' } }, { __typename: 'HangUp', reason: 'ENDED' });

  const { skip } = await caller.person.run(SKIP, { input: { roomId: caller.room.id, requeue: false } });
  assert.equal(skip.ticket, null);
  assert.equal((await caller.person.sees('MatchEnded')).matchEndReason, 'YOU_SKIPPED');
  assert.equal((await callee.person.sees('MatchEnded')).matchEndReason, 'PARTNER_LEFT');
  for (const { signals } of [caller, callee]) assert((await signals.take('the end of `signals`')).done);
  await Promise.all(people.map((person) => person.leave()));
}

/** Follows the room too, as soon as there is one: its stream is one that the server completes. */
async function seated(person) {
  const { room, partner } = await person.sees('Matched');
  return { person, room, partner, signals: person.follow(SIGNALS, { roomId: room.id }) };
}

/** What one sends the other gets, in `events` and in `signals`, byte for byte and from them. */
async function passes(from, to, signal, arrives) {
  const callId = randomUUID();
  const input = { to: from.partner.id, signal, callId, clientSignalId: randomUUID() };
  const { sendSignal } = await from.person.run(SEND, { input });
  assert.equal(sendSignal.__typename, 'SendSignalSuccess');
  const { signals: inRoom } = await to.signals.next('a signal');
  for (const received of [await to.person.sees('SignalReceived'), inRoom]) {
    assert.equal(received.callId, callId);
    assert.equal(received.room.id, from.room.id);
    assert.equal(received.sender.id, to.partner.id);
    assert.deepEqual(plain(received.signal), arrives);
  }
}

/** Without what a client adds to its objects: Apollo and urql name the type of every one. */
function plain({ candidates, ...signal }) {
  return candidates ? { ...signal, candidates: candidates.map(({ __typename, ...candidate }) => candidate) } : signal;
}

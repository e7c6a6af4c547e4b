/** Somebody's token expires while they follow `events`: their client comes back by itself, and nothing is lost or repeated. */

import assert from 'node:assert/strict';

import { JOIN, LEAVE } from './documents.mjs';
import { alone, Guided } from './guide.mjs';

/** `lasting` is a client as the pages show it; `shorten` makes a token one that expires in two or three seconds. */
export async function resuming(connect, lasting, url, shorten) {
  const ada = await Guided.signIn(lasting, url);
  const { session } = ada;
  const elsewhere = await ada.elsewhere(connect, url);
  const kept = () => JSON.parse(session.storage.getItem('parley'));
  const first = kept();
  const [token, expire] = [session.token.bind(session), session.expire.bind(session)];
  let joined;
  const joining = new Promise((resolve) => (joined = resolve));
  let away = false;
  let left;
  session.token = async () => {
    // Until the first event has come: a machine that stands still may let the first token expire before.
    if (!session.cursor) return shorten(await token());
    if (away) {
      await joining;
      await (left ??= elsewhere.run(LEAVE)); // while they are away
    }
    return token();
  };
  session.expire = () => {
    away = true;
    expire();
  };

  ada.follow();
  await ada.sees('MatchSnapshot');
  const { joinQueue } = await elsewhere.run(JOIN, { input: alone() });
  joined();
  assert.equal((await ada.sees('QueueJoined')).ticket.id, joinQueue.ticket.id);
  assert.equal((await ada.sees('QueueLeft')).ticket.id, joinQueue.ticket.id);
  assert(left, 'the token did not expire');
  assert.equal(session.scope, 'FULL');
  assert.notEqual(kept().accessToken, first.accessToken, 'came back with the old token');
  assert.notEqual(kept().refreshToken, first.refreshToken, 'kept what is good once');
  assert(first.deviceToken && kept().deviceToken === first.deviceToken, 'the next sign-in is that of another device');
  const ticket = await ada.joins();
  assert.equal((await ada.sees('QueueJoined')).ticket.id, ticket.id);
  await Promise.all([ada.leave(), elsewhere.leave()]);
}

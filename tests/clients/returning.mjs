/** The network breaks, and is still broken when the client first comes back: it goes on trying, and nothing is lost or repeated. */

import assert from 'node:assert/strict';

import { JOIN, LEAVE } from './documents.mjs';
import { alone, Guided } from './guide.mjs';
import { Network } from './network.mjs';
import { within } from './person.mjs';

export async function returning(connect, lasting, url) {
  const network = await Network.to(new URL(url));
  const ada = await Guided.signIn(lasting, network.url);
  const elsewhere = await ada.elsewhere(connect, url);
  ada.follow();
  await ada.sees('MatchSnapshot');

  network.cut();
  const token = ada.session.token.bind(ada.session);
  let refused = 0;
  ada.session.token = () => (refused++ === 0 ? Promise.reject(new TypeError('fetch failed')) : token());
  const { joinQueue } = await elsewhere.run(JOIN, { input: alone() });
  await within(network.tried, 'that the client comes back');
  network.mend();
  assert.equal((await ada.sees('QueueJoined')).ticket.id, joinQueue.ticket.id);
  assert(refused > 1, 'no token was asked for anew');
  await elsewhere.run(LEAVE);
  assert.equal((await ada.sees('QueueLeft')).ticket.id, joinQueue.ticket.id);
  await Promise.all([ada.leave(), elsewhere.leave()]);
}

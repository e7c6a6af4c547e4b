/** The network falls silent without a word, as a phone's does: the client hears that the server's pings stay away. */

import assert from 'node:assert/strict';

import { JOIN } from './documents.mjs';
import { alone, Guided } from './guide.mjs';
import { Network } from './network.mjs';

export async function silent(connect, lasting, url) {
  const network = await Network.to(new URL(url));
  const ada = await Guided.signIn(lasting, network.url);
  const elsewhere = await ada.elsewhere(connect, url);
  ada.follow();
  await ada.sees('MatchSnapshot');
  network.hush();
  const { joinQueue } = await elsewhere.run(JOIN, { input: alone() });
  assert.equal((await ada.sees('QueueJoined')).ticket.id, joinQueue.ticket.id);
  await Promise.all([ada.leave(), elsewhere.leave()]);
}

/** Whose session has ended is told so, instead of being tried for ever. */

import assert from 'node:assert/strict';

import { Guided, shown } from './guide.mjs';

const { SessionEnded } = await shown('session.js');

export async function ending(lasting, url) {
  const ada = await Guided.signIn(lasting, url);
  ada.session.storage.setItem('parley', JSON.stringify({ refreshToken: 'spent' }));
  ada.follow();
  const { error } = await ada.events.take('the end of the session');
  assert(error instanceof SessionEnded, `${error}`);
  await ada.leave();
}

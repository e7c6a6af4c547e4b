/** Whose session has ended is told so, instead of being tried for ever. */

import assert from 'node:assert/strict';

import { EVENTS } from './documents.mjs';
import { Stream } from './person.mjs';

export async function ending(lasting, url) {
  const accessToken = async () => {
    throw new Error('the session has ended');
  };
  const connection = lasting({ url, accessToken, cursor: () => undefined });
  const { error } = await new Stream((sink) => connection.follow(EVENTS, {}, sink)).take();
  assert.equal(error?.message, 'the session has ended');
  await connection.close();
}

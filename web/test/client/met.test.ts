/** What is kept to prove a report. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Evidence, Met } from '../../client/engine/met.ts';
import { Store } from '../../client/engine/store.ts';
import { Memory } from '../shared/world.ts';

function evidence(messageId: string, plaintext: string): Evidence {
  const frankingTag = { keyId: 'k', ciphertextHash: '', tag: '' };
  return { messageId, plaintext, openingKey: '', commitment: '', frankingTag, sentAt: new Date(0).toISOString() };
}

test('whoever floods somebody with long messages does not fill their storage: the newest can be proved', () => {
  const store = new Store({ mode: 'TEXT', interests: [], languages: [], patience: 0 }, { at: 'lobby', ended: null });
  const storage = new Memory();
  const met = new Met(store, storage);
  met.open('account');
  met.meet('room', { id: 'mallory', displayName: 'Mallory' });
  for (let at = 0; at < 200; at++) met.prove('mallory', evidence(`${at}`, 'x'.repeat(40_000)));
  assert.deepEqual(
    store.state().met[0]!.provable.map(({ id }) => id),
    ['198', '199'],
  );
  assert.ok(storage.getItem('parley.met.account')!.length < 100_000);
});

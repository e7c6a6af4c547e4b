/** Two tabs of one browser are two people. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { takeSlot } from '../../shared/slots.ts';
import { Locks, Memory } from './world.ts';

test('each tab has an account of its own, and a closed one leaves its to the next', async () => {
  const browser = new Locks();
  const [one, two, three] = [browser.page(), browser.page(), browser.page()];
  assert.equal(await takeSlot('account', new Memory(), one.locks), 'account.0');
  assert.equal(await takeSlot('account', new Memory(), two.locks), 'account.1');
  one.close();
  assert.equal(await takeSlot('account', new Memory(), three.locks), 'account.0');
});

test('a tab that is reloaded waits for its own account, also when a lower one is free', async () => {
  const browser = new Locks();
  const [first, before, after] = [browser.page(), browser.page(), browser.page()];
  const remembered = new Memory();
  await takeSlot('account', new Memory(), first.locks);
  assert.equal(await takeSlot('account', remembered, before.locks), 'account.1');
  const reloaded = takeSlot('account', remembered, after.locks);
  first.close();
  before.close();
  assert.equal(await reloaded, 'account.1');
});

test('a duplicated tab, which remembers the same account, takes another one', async () => {
  const browser = new Locks();
  const remembered = new Memory();
  const awake = setTimeout(() => {}, 60_000); // An abort signal's own timer does not keep Node waiting.
  await takeSlot('account', remembered, browser.page().locks);
  assert.equal(await takeSlot('account', remembered, browser.page().locks, 1), 'account.1');
  clearTimeout(awake);
});

test('without locks a tab keeps what it remembers', async () => {
  const remembered = new Memory();
  const key = await takeSlot('account', remembered, null);
  assert.equal(await takeSlot('account', remembered, null), key);
  assert.notEqual(await takeSlot('account', new Memory(), null), key);
});

/** The order of a chat. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { added, delivery, MOST_LINES, noted, ordered, sent } from '../../client/engine/lines.ts';
import type { Line } from '../../client/state.ts';

const AT = new Date(0);

function own(id: string): Line {
  return {
    kind: 'message',
    id,
    senderId: 'me',
    mine: true,
    text: id,
    sentAt: AT,
    delivery: 'sending',
    provable: false,
  };
}

function theirs(id: string): Line {
  return { kind: 'message', id, senderId: 'you', mine: false, text: id, sentAt: AT, delivery: 'sent', provable: true };
}

const ids = (lines: readonly Line[]): string[] => lines.map(({ id }) => id);

test('what the server has not taken yet stays below what it has', () => {
  const lines = added(added(added([], theirs('a')), own('draft')), theirs('b'));
  assert.deepEqual(ids(lines), ['a', 'b', 'draft']);
});

test('one’s own line takes the place in the room’s order that the event tells, also when the answer came first', () => {
  let lines = added(added([], own('draft')), theirs('a'));
  lines = sent(lines, 'draft', 'server', AT);
  lines = added(lines, theirs('b'));
  lines = ordered(lines, 'draft', 'server', AT);
  assert.deepEqual(ids(lines), ['a', 'b', 'server']);
});

test('the event may come before the answer, which changes nothing then', () => {
  const told = ordered(added([], own('draft')), 'draft', 'server', AT);
  assert.deepEqual(sent(told, 'draft', 'server', AT), told);
  assert.deepEqual(ids(told), ['server']);
});

test('a line that failed keeps its ID, so that it can be said again', () => {
  const failed = delivery(added([], own('draft')), 'draft', 'failed');
  assert.equal(failed[0]?.kind === 'message' && failed[0].delivery, 'failed');
  assert.deepEqual(ids(ordered(failed, 'another', 'server', AT)), ['draft']);
});

test('a list stays bounded, and keeps the newest', () => {
  let lines: readonly Line[] = [];
  for (let at = 0; at < MOST_LINES + 10; at++) lines = added(lines, theirs(`${at}`));
  assert.equal(lines.length, MOST_LINES);
  assert.equal(lines.at(-1)!.id, `${MOST_LINES + 9}`);
});

test('what happens again and again is told once, the last time, until somebody says something', () => {
  const note = (id: string, text: string) => ({ kind: 'note', id, text, at: AT }) as const;
  let lines: readonly Line[] = noted([theirs('1')], note('2', 'damaged'));
  lines = noted(added(lines, theirs('3')), note('4', 'damaged'));
  lines = added(lines, own('5'));
  for (const [id, text] of ['joined', 'left', 'joined', 'left'].entries()) lines = noted(lines, note(`n${id}`, text));
  assert.deepEqual(ids(lines), ['1', '2', '3', '4', 'n2', 'n3', '5']);
});

/** What the views work out by themselves: words, places, ranks. */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Member } from '../../client/state.ts';
import { withInterests } from '../../client/views/lobby/Interests.tsx';
import { columnsFor } from '../../client/views/room/grid.ts';
import { link, outranks } from '../../client/views/room/words.ts';
import { duration, elapsed } from '../../client/views/words.ts';
import { hue, initials } from '../../shared/ui/names.ts';

const MEMBER: Member = {
  id: 'm1',
  displayName: 'Mira',
  role: 'MEMBER',
  muted: false,
  status: 'ONLINE',
  media: { camera: true, microphone: true, screen: false },
  typing: false,
};

/** The server refuses an eleventh, a longer one and an empty one: none of them leaves the field. */
test('interests part at commas, none twice, at most ten of forty characters', () => {
  assert.deepEqual(withInterests(['Music'], ' chess, MUSIC ,,\nLisbon '), ['Music', 'chess', 'Lisbon']);
  assert.equal(withInterests([], 'a,b,c,d,e,f,g,h,i,j,k,l').length, 10);
  assert.deepEqual(withInterests([], '🎻'.repeat(50)), ['🎻'.repeat(40)]);
});

/** Sixteen people on a phone, two on a desk: everybody is seen without scrolling. */
test('the grid has a place for everybody, and prefers the shape of the box', () => {
  for (let count = 1; count <= 16; count++) {
    const columns = columnsFor(count, 374, 560);
    assert.ok(columns >= 1 && columns <= count, `${count} tiles in ${columns} columns`);
  }
  assert.equal(columnsFor(2, 374, 560), 1);
  assert.equal(columnsFor(2, 1200, 600), 2);
  assert.equal(columnsFor(16, 1200, 800), 4);
  assert.equal(columnsFor(16, 374, 620), 3);
});

/** A menu never offers what the server refuses. */
test('one acts on a lower rank only', () => {
  const owner: Member = { ...MEMBER, role: 'OWNER' };
  const moderator: Member = { ...MEMBER, role: 'MODERATOR' };
  assert.ok(outranks(owner, moderator) && outranks(moderator, MEMBER) && outranks(owner, MEMBER));
  assert.ok(!outranks(moderator, moderator) && !outranks(moderator, owner) && !outranks(MEMBER, MEMBER));
});

/** A seat that is held is told even while media go on; text needs no peer connection. */
test('the state of a link is in words, and another try is offered where one can help', () => {
  const peer = { stream: null, screen: null };
  assert.match(link({ ...MEMBER, status: 'AWAY' }, { ...peer, connection: 'connected' }, 'VIDEO').text, /seat is held/);
  assert.equal(link(MEMBER, undefined, 'TEXT').tone, 'good');
  assert.equal(link(MEMBER, undefined, 'VIDEO').tone, 'waiting');
  assert.ok(link(MEMBER, { ...peer, connection: 'failed' }, 'AUDIO').retry);
  assert.ok(!link(MEMBER, { ...peer, connection: 'connected' }, 'AUDIO').retry);
});

test('times are read as people say them', () => {
  const start = new Date(0);
  assert.equal(elapsed(start, new Date(7_000)), '0:07');
  assert.equal(elapsed(start, new Date(3_723_000)), '1:02:03');
  assert.equal(elapsed(start, new Date(-5_000)), '0:00'); // the server's clock is ahead
  assert.equal(duration(1), '1 second');
  assert.equal(duration(120), '2 minutes');
});

/** A name may be one letter, an emoji of several code points, or in another script. */
test('an avatar has the first characters as people count them, and keeps its colour', () => {
  assert.equal(initials('Ada King Lovelace'), 'AL');
  assert.equal(initials('  mira '), 'M');
  assert.equal(initials('👩‍🚀 Yuki'), '👩‍🚀Y');
  assert.equal(initials(''), '');
  assert.equal(hue('Mira'), hue('Mira'));
  assert.ok(hue('W'.repeat(40)) < 360);
});

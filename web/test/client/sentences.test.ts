/** What people are told when something goes wrong. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { deviceProblem, matchEnded, refused } from '../../client/engine/sentences.ts';
import { Failure, failureOf, inWords, SessionEnded } from '../../shared/failures.ts';

test('whoever was too fast hears how long to wait', () => {
  const failure = failureOf([{ message: 'x', extensions: { code: 'RATE_LIMITED', retryAfter: 11.2 } }]);
  assert.equal(failure.retryAfter, 11.2);
  assert.equal(inWords(failure), 'That was too often. Please wait 12 seconds and try again.');
  assert.match(inWords(new Failure('RATE_LIMITED', '', 3600)), /60 minutes/);
});

test('every code is a sentence, and no server’s word for developers is shown', () => {
  const codes = [
    'NETWORK',
    'UNAUTHENTICATED',
    'FORBIDDEN',
    'NOT_FOUND',
    'BAD_USER_INPUT',
    'CONFLICT',
    'INTERNAL_SERVER_ERROR',
  ];
  for (const code of codes) assert.match(inWords(new Failure(code, 'secret')), /^(?!.*secret)[A-Z].*\.$/);
  assert.match(inWords(new SessionEnded('secret')), /sign in again\.$/);
  assert.match(inWords(new TypeError('secret')), /^(?!.*secret).*\.$/);
});

test('an answer of the domain is a sentence, and names what to mend', () => {
  assert.match(refused({ __typename: 'InvalidInputError', field: 'displayName' }), /1 to 40 characters/);
  assert.match(refused({ __typename: 'InvalidInputError', field: 'interests.3' }), /interests/);
  assert.match(refused({ __typename: 'InvalidInputError', field: 'evidence.3.openingKey' }), /disclosed/);
  assert.match(refused({ __typename: 'RoomFullError', capacity: 4 }), /4 seats/);
  assert.match(refused({ __typename: 'SomethingNew' }), /\.$/);
});

test('why a match ended is told with the partner’s name, and a suspension without', () => {
  assert.match(matchEnded('PARTNER_LEFT', 'Ada'), /Ada/);
  assert.match(matchEnded('PARTNER_LOST', 'Ada'), /Ada/);
  assert.doesNotMatch(matchEnded('YOU_WERE_SUSPENDED', 'Ada'), /Ada/);
});

test('a device that is refused, missing or taken says which and why', () => {
  assert.match(
    deviceProblem(Object.assign(new Error(), { name: 'NotAllowedError' }), 'camera'),
    /may not use your camera/,
  );
  assert.match(deviceProblem(Object.assign(new Error(), { name: 'NotFoundError' }), 'microphone'), /No microphone/);
  assert.match(deviceProblem(Object.assign(new Error(), { name: 'NotReadableError' }), 'camera'), /another program/);
});

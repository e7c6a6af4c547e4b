/** What goes wrong reaches the caller, in the way in which the client shows it: `told` reads codes, status or close code from it. */

import assert from 'node:assert/strict';

import { EVENTS, ROOMS, SIGN_IN, UNKNOWN_FIELD } from './documents.mjs';
import { Person, within } from './person.mjs';

/** `refused` is what is told to somebody whose token is none of ours. */
export async function failing(connect, url, told, refused) {
  const person = new Person(connect, url);
  await person.signIn('Ada');
  const stranger = person.open({});
  const forger = person.open(person.credentials('forged'), { retryAttempts: 0 });
  const codes = async (attempt) => told(await failure(attempt)).codes;

  assert.deepEqual(await codes(stranger.run(UNKNOWN_FIELD, {})), ['GRAPHQL_VALIDATION_FAILED']);
  assert.deepEqual(await codes(stranger.run(SIGN_IN, { input: { displayName: 7 } })), ['BAD_USER_INPUT']);
  assert.deepEqual(await codes(stranger.run(ROOMS, {})), ['UNAUTHENTICATED']);
  assert.deepEqual(await codes(followed(stranger, EVENTS)), ['UNAUTHENTICATED']);
  assert.deepEqual(await codes(followed(stranger, UNKNOWN_FIELD.replace('query', 'subscription'))), ['GRAPHQL_VALIDATION_FAILED']);
  assert.deepEqual(await codes(followed(person.connection, EVENTS, { after: 'nonsense' })), ['BAD_USER_INPUT']);
  assert.deepEqual(told(await failure(followed(forger, EVENTS))), refused);

  const { signInAnonymously: outcome } = await within(stranger.run(SIGN_IN, { input: { displayName: ' ' } }), 'an outcome');
  assert.equal(outcome.__typename, 'InvalidInputError');
  assert.equal(outcome.field, 'displayName');
  await Promise.all([person.leave(), stranger.close(), forger.close()]);
}

/** The first that a subscription brings. */
function followed(connection, document, variables = {}) {
  return new Promise((next, error) => connection.follow(document, variables, { next, error, complete: () => next('the end') }));
}

async function failure(attempt) {
  try {
    assert.fail(`was answered ${JSON.stringify(await within(attempt, 'a failure'))}`);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return error;
  }
}

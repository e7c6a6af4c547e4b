/** Tokens: stored before they are used, renewed one at a time, and never lost to a failure that passes. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { Failure, SessionEnded } from '../../shared/failures.ts';
import { Session } from '../../shared/session.ts';
import { Memory } from './world.ts';

const native = globalThis.fetch;
let asked: string[] = [];
let answers: (() => unknown)[] = [];

function made(tokens: number, scope = 'FULL'): unknown {
  return {
    accessToken: `access-${tokens}`,
    refreshToken: `refresh-${tokens}`,
    accessTokenExpiresAt: '2026-11-22T00:15:00.000Z',
    scope,
    user: { id: 'u', displayName: 'Ada' },
  };
}

const signedIn = () => ({
  data: { signInAnonymously: { __typename: 'SignInAnonymouslySuccess', session: made(1), deviceToken: 'device' } },
});
const refreshed = (tokens: number, scope?: string) => () => ({
  data: { refreshSession: { __typename: 'RefreshSessionSuccess', session: made(tokens, scope) } },
});

async function ada(storage = new Memory()): Promise<Session> {
  const session = new Session('https://parley.example/graphql', 'account.0', storage);
  answers.push(signedIn);
  assert.equal(await session.signIn('Ada'), null);
  return session;
}

describe('a session', () => {
  beforeEach(() => {
    asked = [];
    answers = [];
    globalThis.fetch = async (_, options) => {
      asked.push(String(options?.body));
      return Response.json(answers.shift()?.());
    };
  });

  afterEach(() => {
    globalThis.fetch = native;
  });

  test('a session outlives the page, and the next account of the device hands its token back', async () => {
    const storage = new Memory();
    await ada(storage);
    const later = new Session('https://parley.example/graphql', 'account.0', storage);
    assert.equal(await later.token(), 'access-1');
    answers.push(signedIn);
    await new Session('https://parley.example/graphql', 'account.1', storage).signIn('Bob');
    assert.match(asked.at(-1)!, /"deviceToken":"device"/);
  });

  test('whoever asks while a refresh is under way gets the same token of one refresh', async () => {
    const session = await ada();
    session.expire();
    answers.push(refreshed(2));
    assert.deepEqual(await Promise.all([session.token(), session.token()]), ['access-2', 'access-2']);
    assert.equal(asked.length, 2);
  });

  test('another scope is told when it is learned, and only then', async () => {
    const session = await ada();
    const told: unknown[] = [];
    session.scopeChanged = (scope) => told.push(scope);
    for (const [tokens, scope] of [
      [2, 'FULL'],
      [3, 'APPEAL_ONLY'],
      [4, 'FULL'],
    ] as const) {
      session.expire();
      answers.push(refreshed(tokens, scope));
      await session.token();
    }
    assert.deepEqual(told, ['APPEAL_ONLY', 'FULL']);
  });

  test('a refresh that gets no answer leaves the session as it was', async () => {
    const session = await ada();
    session.expire();
    answers.push(() => {
      throw new TypeError('the network is gone');
    });
    await assert.rejects(session.token(), (error) => error instanceof Failure && error.code === 'NETWORK');
    answers.push(refreshed(2));
    assert.equal(await session.token(), 'access-2');
  });

  test('a refresh token that is not good ends the session', async () => {
    const session = await ada();
    const told: unknown[] = [];
    session.scopeChanged = (scope) => told.push(scope);
    session.expire();
    answers.push(() => ({ data: { refreshSession: { __typename: 'NotAllowedError', message: 'no' } } }));
    await assert.rejects(session.token(), SessionEnded);
    assert.equal(session.user, null);
    assert.deepEqual(told, [null]);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked } from '../../graphiql/link.ts';
import { withoutHeaders } from '../../graphiql/storage.ts';

test('an address opens what it asks for, with variables that can be read', () => {
  const asked = new URLSearchParams({ query: 'query A { a }', variables: '{"b":1}', operationName: 'A' });
  assert.deepEqual(linked(`?${asked}`), { query: 'query A { a }', variables: '{\n  "b": 1\n}', operationName: 'A' });
  assert.deepEqual(linked('?query=%7Ba%7D'), { query: '{a}', variables: '', operationName: null });
});

test('an address without a query asks for nothing, and broken variables are shown as they are', () => {
  assert.equal(linked(''), null);
  assert.equal(linked('?query=&variables=1'), null);
  assert.equal(linked('?query=a&variables=%7B')?.variables, '{');
});

test('a token is not in the history that is kept', () => {
  const kept = JSON.stringify({ queries: [{ query: '{ me }', headers: '{"Authorization":"Bearer secret"}' }] });
  assert.equal(withoutHeaders(kept), '{"queries":[{"query":"{ me }"}]}');
});

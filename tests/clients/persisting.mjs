/** Automatic persisted queries: the first to send a document sends it after its hash was not known, everybody else the hash alone. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { within } from './person.mjs';

/** `persisted` is a client with its own link or exchange for this, on a `fetch` that we watch. */
export async function persisting(persisted, url) {
  const name = `Me_${randomUUID().replaceAll('-', '')}`;
  for (const expected of [[false, true], [false]]) {
    const requests = [];
    const connection = persisted({
      url,
      fetch: (address, options) => {
        requests.push(request(address, options));
        return fetch(address, options);
      },
    });
    assert.equal((await within(connection.run(`query ${name} { me { id } }`, {}), 'a persisted query')).me, null);
    await connection.close();
    assert.deepEqual(requests.map(({ query }) => query !== undefined), expected);
    for (const { extensions } of requests) assert.match(extensions.persistedQuery.sha256Hash, /^[0-9a-f]{64}$/);
  }
}

/** What was asked, by POST or by GET. */
function request(address, { body }) {
  if (body) return JSON.parse(body);
  const { extensions, ...fields } = Object.fromEntries(new URL(address).searchParams);
  return { ...fields, extensions: JSON.parse(extensions) };
}

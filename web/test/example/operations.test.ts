/** What the example sends is what the published schema allows. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { buildSchema, parse, validate } from 'graphql';

import * as operations from '../../example/operations.ts';

const schema = buildSchema(readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8'));

for (const [name, { text }] of Object.entries(operations)) {
  test(`${name} is valid against schema.graphql`, () => {
    assert.deepEqual(validate(schema, parse(text)).map(String), []);
  });
}

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildSchema, type GraphQLError, getOperationAST, parse, validate } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import { EXAMPLES } from '../../graphiql/examples.ts';

const schema = buildSchema(readFileSync(join(import.meta.dirname, '../../../schema.graphql'), 'utf8'));

for (const { title, query, variables } of EXAMPLES) {
  test(`the example ${title} is what the schema allows, and is named as its tab`, () => {
    const document = parse(query);
    assert.deepEqual(validate(schema, document), []);
    const operation = getOperationAST(document);
    assert.equal(operation?.name?.value, title);
    const given = getVariableValues(schema, operation?.variableDefinitions ?? [], JSON.parse(variables ?? '{}'));
    assert.deepEqual(given.errors ?? ([] as GraphQLError[]), []);
  });
}

test('no line of an example is broken by the editor beside its answer', () => {
  for (const { query } of EXAMPLES) {
    for (const line of query.split('\n')) assert.ok(line.length <= 52, line);
  }
});

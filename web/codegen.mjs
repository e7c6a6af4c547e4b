/**
 * Types and documents of each page's operations: `<page>/*.graphql` against ../schema.graphql becomes `<page>/generated.ts`, which is
 * not committed. An operation that the schema does not allow ends the build, with its place.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { buildSchema, parse, printSchema, Source, validate } from 'graphql';

const ROOT = import.meta.dirname;
const PAGES = ['shared', 'client', 'console'];

const schema = buildSchema(readFileSync(join(ROOT, '../schema.graphql'), 'utf8'));

for (const page of PAGES) {
  const documents = readdirSync(join(ROOT, page), { recursive: true })
    .filter((name) => name.endsWith('.graphql'))
    .sort()
    .map((name) => {
      const source = new Source(readFileSync(join(ROOT, page, name), 'utf8'), `web/${page}/${name}`);
      return { location: source.name, document: parse(source) };
    });
  if (documents.length === 0) continue;
  const whole = { kind: 'Document', definitions: documents.flatMap(({ document }) => document.definitions) };
  const mistakes = validate(schema, whole);
  if (mistakes.length > 0) {
    for (const mistake of mistakes) console.error(`${mistake}\n`);
    process.exit(1);
  }
  const filename = join(ROOT, page, 'generated.ts');
  const text = await codegen({
    filename,
    schema: parse(printSchema(schema)),
    schemaAst: schema,
    documents,
    plugins: [{ typescriptOperations: {} }, { typedDocumentNode: {} }],
    pluginMap: { typescriptOperations, typedDocumentNode },
    config: {
      useTypeImports: true,
      enumsAsTypes: true,
      skipTypename: false,
      immutableTypes: true,
      avoidOptionals: { field: true, inputValue: false, object: true, defaultValue: false },
      scalars: { DateTime: 'string', Base64: 'string', Cursor: 'string', ID: 'string' },
      strictScalars: true,
    },
  });
  if (!existsSync(filename) || readFileSync(filename, 'utf8') !== text) writeFileSync(filename, text);
}

/**
 * Types and documents of each page's operations: `<page>/*.graphql` against ../schema.graphql becomes `<page>/generated.ts`, which is
 * not committed. An operation that the schema does not allow ends the build, with its place.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { codegen } from '@graphql-codegen/core';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { buildSchema, Kind, parse, print, printSchema, Source, stripIgnoredCharacters, validate, visit } from 'graphql';

const ROOT = import.meta.dirname;
const PAGES = ['shared', 'client', 'console'];

const schema = buildSchema(readFileSync(join(ROOT, '../schema.graphql'), 'utf8'));

/** As text, parsed when the page loads: the parsed form of all operations of a page weighs 12 kB more, compressed. */
const documents = {
  plugin(_, sources) {
    const definitions = sources.flatMap(({ document }) => document.definitions);
    const fragments = new Map(definitions.filter(isFragment).map((fragment) => [fragment.name.value, fragment]));
    const lines = definitions
      .filter((definition) => !isFragment(definition))
      .map((operation) => {
        const name = operation.name.value;
        const types = `${name}${operation.operation[0].toUpperCase()}${operation.operation.slice(1)}`;
        const text = [operation, ...spread(operation, fragments)].map(print).join(' ');
        const source = JSON.stringify(stripIgnoredCharacters(text));
        const type = `TypedDocumentNode<${types}, ${types}Variables>`;
        return `export const ${name}Document = /* @__PURE__ */ parse(${source}) as unknown as ${type};`;
      });
    return {
      prepend: [
        "import { parse } from '@0no-co/graphql.web';",
        "import type { TypedDocumentNode } from '@graphql-typed-document-node/core';",
      ],
      content: lines.join('\n'),
    };
  },
};

function isFragment(definition) {
  return definition.kind === Kind.FRAGMENT_DEFINITION;
}

/** The fragments that a definition uses, and those that they use. */
function spread(definition, fragments, found = new Set()) {
  visit(definition, {
    FragmentSpread({ name }) {
      const fragment = fragments.get(name.value);
      if (found.has(fragment)) return;
      found.add(fragment);
      spread(fragment, fragments, found);
    },
  });
  return found;
}

for (const page of PAGES) {
  const sources = readdirSync(join(ROOT, page), { recursive: true })
    .filter((name) => name.endsWith('.graphql'))
    .sort()
    .map((name) => {
      const source = new Source(readFileSync(join(ROOT, page, name), 'utf8'), `web/${page}/${name}`);
      return { location: source.name, document: parse(source) };
    });
  if (sources.length === 0) continue;
  const whole = { kind: 'Document', definitions: sources.flatMap(({ document }) => document.definitions) };
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
    documents: sources,
    plugins: [{ typescriptOperations: {} }, { documents: {} }],
    pluginMap: { typescriptOperations, documents },
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

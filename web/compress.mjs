/** A `.br` and a `.gz` beside each built file that gets smaller by it: compressed once, and as small as it goes. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const DIST = join(import.meta.dirname, 'dist');
const COMPRESSIBLE = /\.(css|html|js|json|map|svg|ttf|txt|webmanifest|wasm)$/;
/** Bytes. Brotli's best level takes half a minute for the editor of GraphiQL. */
const LARGE = 500_000;

for (const name of readdirSync(DIST, { recursive: true })) {
  if (!COMPRESSIBLE.test(name)) continue;
  const path = join(DIST, name);
  const bytes = readFileSync(path);
  const quality = bytes.length > LARGE ? 9 : 11;
  const brotli = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  const gzip = gzipSync(bytes, { level: 9 });
  if (brotli.length < bytes.length) writeFileSync(`${path}.br`, brotli);
  if (gzip.length < bytes.length) writeFileSync(`${path}.gz`, gzip);
}

/** Builds the three pages into dist/, which api/web.py serves. `API_ORIGIN` names the running server for `npm run dev`. */

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const server = process.env['API_ORIGIN'] ?? 'http://localhost:8000';

export default defineConfig({
  appType: 'mpa', // an address that there is not is none, rather than the client
  plugins: [react()],
  build: {
    target: 'es2022',
    // Everything is a file of its own under the page's policy: no data: URL, no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 5000, // GraphiQL's editor; test/size.test.ts holds the call view to its limit
    rollupOptions: {
      input: { client: 'index.html', console: 'console/index.html', graphiql: 'graphiql/index.html' },
      onwarn(warning, warn) {
        // Libraries of GraphiQL begin with "use no memo", which is for a compiler that we do not run.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
  },
  server: { proxy: { '/graphql': { target: server, ws: true }, '/schema.graphql': server, '/docs': server } },
});

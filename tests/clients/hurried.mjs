/** graphql-ws on a clock that runs ten times as fast: what it does after half a minute shows after three seconds. */

export * from './graphql-ws.mjs';

const { setTimeout } = globalThis;
globalThis.setTimeout = (act, milliseconds, ...given) => setTimeout(act, milliseconds / 10, ...given);

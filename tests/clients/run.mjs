/**
 * `node run.mjs CLIENT URL TRANSPORT:PROMISE ...`: tries what a client promises, all at once against a running server, and prints a
 * line of JSON for each: `{attempt: "TRANSPORT:PROMISE", failure}`. To see a token expire it asks for one that soon does,
 * `{shorten: token}`, and reads it as a line of standard input.
 */

import { webcrypto } from 'node:crypto';
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';

import WebSocket from 'ws';

import { ending } from './ending.mjs';
import { failing } from './failing.mjs';
import { meeting } from './meeting.mjs';
import { persisting } from './persisting.mjs';
import { resuming } from './resuming.mjs';
import { returning } from './returning.mjs';
import { silent } from './silent.mjs';

// What every browser has, and Node since 22 and since 20.
globalThis.WebSocket ??= WebSocket;
globalThis.crypto ??= webcrypto;

const [name, url, ...wanted] = process.argv.slice(2);
const { transports, lasting, persisted, refused, told } = await import(`./${name}.mjs`);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function shorten(token) {
  say({ shorten: token });
  return (await lines.next()).value;
}

const promises = {
  meeting: (transport) => meeting(transports[transport], url),
  failing: (transport) => failing(transports[transport], url, told, refused[transport]),
  resuming: (transport) => resuming(transports[transport], lasting[transport], url, shorten),
  returning: (transport) => returning(transports[transport], lasting[transport], url),
  silent: (transport) => silent(transports[transport], lasting[transport], url),
  ending: (transport) => ending(lasting[transport], url),
  persisting: () => persisting(persisted, url),
};

await Promise.all(
  wanted.map(async (attempt) => {
    const [transport, promise] = attempt.split(':');
    let failure = null;
    try {
      await promises[promise](transport);
    } catch (error) {
      failure = inspect(error, { depth: 1 }); // a closed socket is an event, not an Error
    }
    say({ attempt, failure });
  }),
);
process.exit();

function say(line) {
  console.log(JSON.stringify(line));
}

/** The network breaks, and is still broken when the client first comes back: it goes on trying, and nothing is lost. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect as reach, createServer } from 'node:net';

import { JOIN } from './documents.mjs';
import { Person, within } from './person.mjs';

export async function returning(connect, lasting, url) {
  const person = new Person(connect, url);
  await person.signIn('Ada');
  const elsewhere = person.connection;
  const network = await Network.to(new URL(url));
  const accessToken = async () => person.session.accessToken;
  person.connection = lasting({ url: network.url, accessToken, cursor: () => person.cursor });
  await person.arrive();

  network.cut();
  const { joinQueue } = await within(elsewhere.run(JOIN, { input: { interests: [randomUUID()], patience: 120 } }), 'joining');
  await within(network.tried, 'that the client comes back');
  network.mend();
  assert.equal((await person.sees('QueueJoined')).ticket.id, joinQueue.ticket.id);
  await Promise.all([person.leave(), elsewhere.close()]);
}

/** What is between a client and the server. */
class Network {
  #open = new Set();
  #broken = false;
  #tried;
  /** Settled once a client tried while it is cut. */
  tried = new Promise((resolve) => (this.#tried = resolve));

  static async to({ port, hostname, pathname }) {
    const network = new Network();
    const listener = createServer((client) => network.#connect(client, reach(Number(port), hostname)));
    await new Promise((resolve) => listener.listen(0, hostname, resolve));
    network.url = `http://${hostname}:${listener.address().port}${pathname}`;
    return network;
  }

  cut() {
    this.#broken = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend() {
    this.#broken = false;
  }

  #connect(client, server) {
    for (const [from, to] of [[client, server], [server, client]]) {
      this.#open.add(from);
      from.on('error', () => to.destroy()).on('close', () => to.destroy()).pipe(to);
    }
    if (!this.#broken) return;
    client.destroy();
    this.#tried();
  }
}

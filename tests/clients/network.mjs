/** What is between a client and the server, and breaks. */

import { connect as reach, createServer } from 'node:net';

export class Network {
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

  /** Nothing passes any more over what is open, and nobody is told. */
  hush() {
    for (const socket of this.#open) socket.unpipe().pause();
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

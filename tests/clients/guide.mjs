/** What docs/CLIENTS.md and the pages in docs/clients show: tests/guides.py takes it out of them, into the folder GUIDE. */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { Person, Stream } from './person.mjs';

/** The module that is shown under that name. */
export const shown = (name) => import(pathToFileURL(join(process.env.GUIDE, name)).href);

const { Session } = await shown('session.js');

/** As localStorage does: what is kept are strings. */
class Storage extends Map {
  getItem(key) {
    return this.get(key) ?? null;
  }

  setItem(key, text) {
    this.set(key, String(text));
  }
}

/** Somebody whose front end is what the pages show, on a device of their own. */
export class Guided {
  /** `lasting` has `create(session)`, `follow`, `joinQueue` and `close` of a client. */
  static async signIn(lasting, url) {
    const guided = new Guided();
    guided.lasting = lasting;
    guided.session = new Session(url, new Storage());
    await guided.session.signIn('Ada');
    return guided;
  }

  follow() {
    this.client = this.lasting.create(this.session);
    this.events = new Stream(({ next, error }) =>
      this.lasting.follow(this.client, this.session, (events) => next({ events }), error),
    );
  }

  /** The next event, which must be `kind`: nothing is told twice. */
  async sees(kind) {
    const { events: event } = await this.events.next(kind);
    if (event.__typename !== kind) throw new Error(`${event.__typename} came instead of ${kind}`);
    return event;
  }

  /** The ticket of somebody who waits alone. */
  async joins() {
    const answer = await this.lasting.joinQueue(this.client, alone());
    if (!answer.ticket) throw new Error(`joinQueue answered ${JSON.stringify(answer)}`);
    return answer.ticket;
  }

  /** The same user by another connection, with the token of now. */
  async elsewhere(connect, url) {
    const person = new Person(connect, url);
    person.session = { accessToken: await this.session.token() };
    person.connection = person.open(person.credentials());
    return person;
  }

  async leave() {
    this.events.stop();
    await this.lasting.close(this.client);
  }
}

/** With whom nobody is matched. */
export const alone = () => ({ interests: [randomUUID()], patience: 120 });

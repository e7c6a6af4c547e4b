/** All keys of one account in one browser: which identity is published, which room uses which, and when they are deleted. */

import { randomId } from './bytes.ts';
import { Device } from './device.ts';
import { RoomKeys } from './room.ts';
import { type DeviceRow, KEPT_MS, type PublishedRow, type PublishingRow, type RoomRow } from './rows.ts';
import { type KeyStore, openStore, type Path, type Rows } from './store.ts';
import type { KeyServer, Lifetime, PublicKey, RoomOfKeys } from './types.ts';

/** What the server holds at most. */
const ONE_TIME_KEYS = 100;
const WEEK_MS = 7 * 24 * 3_600_000;

/** The name of the device with the lasting identity. Those of matches are random. */
const LASTING = 'lasting';

export interface KeyringOptions {
  /** By default that of this browser. */
  readonly store?: KeyStore;
  /** How many one-time keys the server shall hold: 100, or fewer in tests. */
  readonly oneTimeKeys?: number;
  readonly now?: () => number;
}

export class Keyring {
  readonly #account: string;
  readonly #api: KeyServer;
  readonly #store: KeyStore;
  readonly #oneTimeKeys: number;
  readonly #now: () => number;
  /** Publications wait for one another: the last that was asked for shall be the last that the server takes. */
  #publishing: Promise<void> = Promise.resolve();

  /** Never rejects for want of storage: then `durable` is false. `accountId` is the user's: tabs may be signed in as several. */
  static async open(accountId: string, api: KeyServer, options: KeyringOptions = {}): Promise<Keyring> {
    const { now = Date.now, oneTimeKeys = ONE_TIME_KEYS } = options;
    return new Keyring(accountId, api, options.store ?? (await openStore(now())), oneTimeKeys, now);
  }

  private constructor(account: string, api: KeyServer, store: KeyStore, oneTimeKeys: number, now: () => number) {
    this.#account = account;
    this.#api = api;
    this.#store = store;
    this.#oneTimeKeys = oneTimeKeys;
    this.#now = now;
  }

  /** Whether keys and texts outlive the tab. If not: the next visit begins with another identity, and friends are warned. */
  get durable(): boolean {
    return this.#store.durable;
  }

  /**
   * Makes a bundle of this lifetime the published one. Call it before the queue or a room is entered, and while in neither: whoever
   * is in a room with the viewer is told that their identity changed. `match`: another identity than anybody has met; `lasting`:
   * that of last time, with a new signed pre-key each week. Does nothing while such a bundle is published. Rejects as
   * `publishKeys` does.
   */
  publish(lifetime: Lifetime): Promise<void> {
    const turn = this.#publishing.then(() => this.#publish(lifetime));
    this.#publishing = turn.catch(() => {});
    return turn;
  }

  /**
   * The chat of a room that the viewer is in, as it was left when there was one (after a reload). Publishes keys if there are none
   * that may be used here. `changed` is called whenever `members()` has. Rejects as `publishKeys` does.
   */
  async room(room: RoomOfKeys, changed: () => void = () => {}): Promise<RoomKeys> {
    if (!(await this.#bind(room.id))) {
      await this.publish(room.kind === 'MATCH' ? 'match' : 'lasting');
      await this.#bind(room.id);
    }
    const keys = new RoomKeys(this.#store, this.#account, this.#api, room, changed, this.#now);
    await keys.resync(room.others);
    return keys;
  }

  /** Publishes more one-time keys: upon `PreKeysLow`, and when `oneTimePreKeyCount` of `me` is below 10. */
  async preKeysLow(remaining: number): Promise<void> {
    const more = await this.#store.change(async (rows): Promise<PublicKey[]> => {
      const published = await this.#published(rows);
      const row = published && (await this.#device(rows, published.device));
      if (row === undefined) return [];
      const device = new Device(row.state);
      const keys = device.moreKeys(Math.max(0, this.#oneTimeKeys - remaining));
      await rows.put(this.#path('device', published!.device), { ...row, state: device.state });
      return keys;
    });
    if (more.length > 0) await this.#api.addOneTimePreKeys(more);
  }

  /** Deletes the sessions and texts of a match that has ended, or of a room that closed or was left; and the match's identity. */
  async close(roomId: string): Promise<void> {
    await this.#store.change(async (rows) => {
      const room = await rows.get<RoomRow>(this.#path('room', roomId));
      await rows.delete(this.#path('room', roomId));
      if (room === undefined || room.device === LASTING) return;
      await rows.delete(this.#path('device', room.device));
      if ((await this.#published(rows))?.device === room.device) await rows.delete(this.#path('published'));
    });
  }

  /** Deletes everything of the account: when it was deleted, or its user signs out for good. */
  async forgetAccount(): Promise<void> {
    await this.#store.change((rows) => rows.delete(this.#path()));
  }

  async #publish(lifetime: Lifetime): Promise<void> {
    const publishing = await this.#store.change(async (rows): Promise<PublishingRow | null> => {
      const published = await this.#published(rows);
      if (published !== undefined && this.#serves(lifetime, published)) return null;
      const underWay = await rows.get<PublishingRow>(this.#path('publishing'));
      if (underWay !== undefined && (underWay.device === LASTING) === (lifetime === 'lasting')) return underWay;
      const name = lifetime === 'lasting' ? LASTING : randomId();
      const device = new Device((await this.#device(rows, name))?.state);
      const made = { device: name, input: device.bundle(this.#oneTimeKeys) };
      await rows.put(this.#path('device', name), { state: device.state, ...this.#expiring(name) });
      await rows.put(this.#path('publishing'), made);
      return made;
    });
    if (publishing === null) return;
    await this.#api.publishKeys(publishing.input);
    await this.#store.change(async (rows) => {
      const before = await this.#published(rows);
      if (before !== undefined && before.device !== LASTING && !before.met) {
        await rows.delete(this.#path('device', before.device)); // nobody has ever seen it
      }
      await rows.delete(this.#path('publishing'));
      await rows.put(this.#path('published'), { device: publishing.device, at: this.#now(), met: false });
    });
  }

  #serves(lifetime: Lifetime, { device, at, met }: PublishedRow): boolean {
    if (lifetime === 'match') return device !== LASTING && !met;
    return device === LASTING && this.#now() - at < WEEK_MS;
  }

  /** Ties the room to the published device, or renews the tie. False when there is no device that it may be tied to. */
  #bind(roomId: string): Promise<boolean> {
    return this.#store.change(async (rows) => {
      const room = await rows.get<RoomRow>(this.#path('room', roomId));
      const published = await this.#published(rows);
      const free = published !== undefined && (published.device === LASTING || !published.met);
      const name = room?.device ?? (free ? published.device : undefined);
      const device = name === undefined ? undefined : await this.#device(rows, name);
      if (name === undefined || device === undefined) {
        await rows.delete(this.#path('room', roomId)); // what was left of it cannot be used without the device
        return false;
      }
      await rows.put(this.#path('device', name), { ...device, ...this.#expiring(name) });
      await rows.put(this.#path('room', roomId), { device: name, until: this.#now() + KEPT_MS });
      if (published?.device === name) await rows.put(this.#path('published'), { ...published, met: true });
      return true;
    });
  }

  /** A lasting identity stays until the account is forgotten. */
  #expiring(device: string): { until?: number } {
    return device === LASTING ? {} : { until: this.#now() + KEPT_MS };
  }

  #published(rows: Rows): Promise<PublishedRow | undefined> {
    return rows.get<PublishedRow>(this.#path('published'));
  }

  #device(rows: Rows, name: string): Promise<DeviceRow | undefined> {
    return rows.get<DeviceRow>(this.#path('device', name));
  }

  #path(...rest: string[]): Path {
    return [this.#account, ...rest];
  }
}

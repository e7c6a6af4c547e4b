/**
 * Where keys, sessions and texts are kept: rows in IndexedDB, changed in transactions. Without IndexedDB, rows in memory.
 *
 * A transaction reads a session, makes the next state of it and writes that, or leaves everything as it was; and IndexedDB runs one
 * after the other, over all tabs. So a session is never used twice from the same state, and needs no other lock.
 *
 * The rows are not encrypted under a key that scripts cannot read (a non-extractable `CryptoKey`). Such a key lies beside them in
 * the browser's profile, and a script of this origin may use it as it may read the rows: it keeps out neither. And a transaction
 * ends while `crypto.subtle` works, which would cost the promise above.
 */

import { type IDBPDatabase, openDB } from 'idb';

const DATABASE = 'parley-keys';
const ROWS = 'rows';

/** A path, such as account, "room", room ID, "peer", member ID: what belongs together has a beginning in common. */
export type Path = readonly string[];

/** Something that structured clone copies. What has an `until`, in ms since 1970, is deleted then. */
type Row = object & { readonly until?: number };

/** The rows within a transaction. Only they may be awaited in it: it ends when nothing of it is under way. */
export interface Rows {
  get<Kind extends object>(path: Path): Promise<Kind | undefined>;
  put(path: Path, row: object): Promise<void>;
  /** Deletes the row and all that are under it. */
  delete(path: Path): Promise<void>;
}

export interface KeyStore {
  /** Whether it outlives the tab. */
  readonly durable: boolean;
  /** Runs `work` as one transaction: all that it wrote is kept, or, when it throws, nothing. Rejects when nothing could be kept. */
  change<Result>(work: (rows: Rows) => Promise<Result>): Promise<Result>;
}

/** That of this browser. Where IndexedDB is missing or fails (a private window, a full disk) everything lives in memory. */
export async function openStore(now: number = Date.now()): Promise<KeyStore> {
  try {
    const database = await openDB(DATABASE, 1, {
      upgrade: (made) => void made.createObjectStore(ROWS),
      blocking: (_current, _wanted, event) => (event.target as IDBDatabase).close(), // a newer page wants to change it
    });
    const store = new IndexedStore(database);
    await store.sweep(now);
    return store;
  } catch {
    return new MemoryStore();
  }
}

class IndexedStore implements KeyStore {
  readonly durable = true;
  readonly #database: IDBPDatabase;

  constructor(database: IDBPDatabase) {
    this.#database = database;
  }

  async change<Result>(work: (rows: Rows) => Promise<Result>): Promise<Result> {
    // 'strict': not before it is on the disk. Else a crash of the machine could bring back a state that something was sent from.
    const transaction = this.#database.transaction(ROWS, 'readwrite', { durability: 'strict' });
    const rows = transaction.store;
    transaction.done.catch(() => {}); // awaited below, unless work throws
    try {
      const result = await work({
        get: (path) => rows.get([...path]),
        put: async (path, row) => void (await rows.put(row, [...path])),
        delete: (path) => rows.delete(under(path)),
      });
      await transaction.done;
      return result;
    } catch (error) {
      try {
        transaction.abort();
      } catch {
        // It has failed by itself.
      }
      throw error;
    }
  }

  /** Deletes what has outlived its `until`, of whichever account: nobody else would, of those that never come back. */
  async sweep(now: number): Promise<void> {
    const { store, done } = this.#database.transaction(ROWS, 'readwrite');
    for (let cursor = await store.openCursor(); cursor !== null; cursor = await cursor.continue()) {
      if ((cursor.value as Row).until! < now) await store.delete(under(cursor.key as string[]));
    }
    await done;
  }
}

/** The keys that begin with the path. In IndexedDB's order an array comes behind every string. */
function under(path: Path): IDBKeyRange {
  return IDBKeyRange.bound([...path], [...path, []]);
}

/** Rows that are gone with the tab. They are copied on their way in and out, as IndexedDB does it. */
export class MemoryStore implements KeyStore {
  readonly durable = false;
  #rows: ReadonlyMap<string, object> = new Map();
  #last: Promise<unknown> = Promise.resolve();

  change<Result>(work: (rows: Rows) => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(() => this.#change(work));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #change<Result>(work: (rows: Rows) => Promise<Result>): Promise<Result> {
    const rows = new Map(this.#rows);
    const result = await work({
      get: async <Kind>(path: Path) => structuredClone(rows.get(named(path))) as Kind | undefined,
      put: async (path, row) => void rows.set(named(path), structuredClone(row)),
      delete: async (path) => {
        for (const name of rows.keys()) if (name.startsWith(named(path))) rows.delete(name);
      },
    });
    this.#rows = rows;
    return result;
  }
}

/** Ends in a comma: no path's name is the beginning of another's that is not under it. */
function named(path: Path): string {
  return path.map((part) => `${JSON.stringify(part)},`).join('');
}

/**
 * The chat of one room with up to 15 others: sessions with each of them, begun as they are needed; whose identity changed; and the
 * texts of what was said, because a message is decrypted only once. Every change is stored before it is seen.
 */

import { fromBase64 } from './bytes.ts';
import { Chat } from './chat.ts';
import { Device } from './device.ts';
import { encryptForAll } from './group.ts';
import { Peer, type Shown } from './peer.ts';
import { type DeviceRow, KEPT_MS, type PeerRow, type ReadRow, type RoomRow, type SentRow } from './rows.ts';
import type { KeyStore, Path, Rows } from './store.ts';
import type { KeyBundle, KeyServer, MemberKeys, Message, Outgoing, Reading, RoomOfKeys, Unreadable } from './types.ts';

/** The longest ciphertext that the server takes, in bytes: 64 KiB. */
export const LONGEST_CIPHERTEXT = 65_536;

/** Nobody who is inside could read the message. `unreadable` tells by member ID why; it is empty when nobody else is inside. */
export class NobodyReads extends Error {
  readonly unreadable: Readonly<Record<string, Unreadable>>;

  constructor(unreadable: Readonly<Record<string, Unreadable>>) {
    super('Nobody who is in the room could read the message.');
    this.unreadable = unreadable;
  }
}

/** Encrypted, the text is longer than the server takes. Each member's copy of its key counts too: about 230 bytes, 340 at first. */
export class TextTooLong extends Error {
  readonly bytes: number;
  readonly most = LONGEST_CIPHERTEXT;

  constructor(bytes: number) {
    super(`The text is too long: encrypted it has ${bytes} bytes, and ${LONGEST_CIPHERTEXT} are taken.`);
    this.bytes = bytes;
  }
}

/** Undefined: the keys could not be fetched. */
interface Claim {
  readonly requestId: string;
  readonly bundle: KeyBundle | null | undefined;
}

/** Made by `Keyring.room`. */
export class RoomKeys {
  readonly id: string;
  readonly me: string;
  readonly #store: KeyStore;
  readonly #account: string;
  readonly #api: KeyServer;
  readonly #changed: () => void;
  readonly #now: () => number;
  #others: Set<string>;
  /** What `members` shows, and whether there is a session to write in; of those who left too. */
  readonly #known = new Map<string, Shown>();
  /** Those who had published nothing when their keys were claimed. */
  readonly #withoutKeys = new Set<string>();
  /** Those whose identity may have changed: nothing is sent to them before it was compared. */
  #suspects = new Set<string>();
  /** Whether identities have to be compared with those that are published. */
  #stale = true;
  #comparing: Promise<void> | undefined;

  constructor(
    store: KeyStore,
    account: string,
    api: KeyServer,
    room: RoomOfKeys,
    changed: () => void,
    now: () => number,
  ) {
    this.id = room.id;
    this.me = room.me;
    this.#store = store;
    this.#account = account;
    this.#api = api;
    this.#others = new Set(room.others);
    this.#changed = changed;
    this.#now = now;
  }

  /** The others who are inside. */
  members(): readonly MemberKeys[] {
    return [...this.#others].map((memberId) => {
      const { state, safetyNumber } = this.#known.get(memberId) ?? { state: 'waiting', safetyNumber: null };
      return { memberId, state, safetyNumber };
    });
  }

  /**
   * Encrypts for everybody inside whose keys are known and trusted. Messages have the order of the calls only if each waits for the
   * one before. The same `clientMessageId` gives the same again, also after a reload: that is a retry.
   *
   * Rejects with `NobodyReads`: wait for `keysPublished` or `trust`, or a while, and call again; and with `TextTooLong`.
   */
  async encrypt(text: string, clientMessageId: string): Promise<Outgoing> {
    for (let last = false; ; last = true) {
      await this.#compare();
      const claims = await this.#claimMissing();
      const result = await this.#change([...this.#others], async (peers, rows) => {
        const path = this.#path('sent', clientMessageId);
        const sent = await rows.get<SentRow>(path);
        if (sent !== undefined) return sent;
        const overtaken = [...peers].some(([id, peer]) => claims.has(id) && claims.get(id)!.requestId !== peer.claim);
        if (overtaken && !last) return null; // they published others meanwhile, or a second tab was quicker
        const unreadable: Record<string, Unreadable> = {};
        const chats: Chat[] = [];
        for (const [id, peer] of peers) {
          // A session that is begun takes long: before each one this asks for something, so that the page may do something else and
          // the transaction goes on.
          await rows.get(path);
          const reason = this.#ready(id, peer, claims.get(id));
          if (reason === null) chats.push(peer.chat);
          else unreadable[id] = reason;
        }
        const [first, ...more] = chats;
        if (first === undefined) return new NobodyReads(unreadable); // thrown below: what was found out is kept
        const sealed = peers.size === 1 ? first.encrypt(text) : encryptForAll([first, ...more], text);
        const bytes = fromBase64(sealed.ciphertext).length;
        if (bytes > LONGEST_CIPHERTEXT) throw new TextTooLong(bytes);
        const row: SentRow = { text, outgoing: { ...sealed, unreadable }, until: this.#now() + KEPT_MS };
        await rows.put(path, row);
        return row;
      });
      if (result instanceof NobodyReads) throw result;
      if (result === null) continue;
      if (result.text !== text) throw new Error('Another text was sent under this client message ID.');
      return result.outgoing;
    }
  }

  /** What a message says, one's own too, in whatever order and however often they come. Rejects only when nothing can be stored. */
  async read(message: Message): Promise<Reading> {
    if (message.sender.id === this.me) {
      const path = this.#path('sent', message.clientMessageId);
      const sent = await this.#store.change((rows) => rows.get<SentRow>(path));
      if (sent === undefined) return { refused: 'notForMe' };
      return { text: sent.text, openingKey: null, provable: false };
    }
    const path = this.#path('read', message.id);
    const reading = await this.#change([message.sender.id], async (peers, rows) => {
      const before = await rows.get<ReadRow>(path);
      if (before !== undefined) return before.reading;
      const reading = peers.get(message.sender.id)!.read(message);
      if (!('refused' in reading && reading.refused === 'changed')) {
        await rows.put(path, { reading, until: this.#now() + KEPT_MS });
      }
      return reading;
    });
    if ('refused' in reading && reading.refused === 'changed') this.#suspect(message.sender.id);
    return reading;
  }

  async memberJoined(memberId: string): Promise<void> {
    if (memberId === this.me) return;
    this.#others.add(memberId);
    this.#stale = true;
    this.#changed();
    await this.#compare();
  }

  /** Nothing is encrypted for them from now on. What they said can be read still. */
  async memberLeft(memberId: string): Promise<void> {
    if (this.#others.delete(memberId)) this.#changed();
  }

  async keysPublished({ memberId, identityChanged }: { memberId: string; identityChanged: boolean }): Promise<void> {
    if (!this.#others.has(memberId)) return; // the viewer's own; or somebody whose keys are looked up when they join
    if (identityChanged) this.#suspects.add(memberId);
    this.#stale = true;
    await this.#change([memberId], async (peers) => {
      peers.get(memberId)!.claim = null; // it was for what they had published before
    });
    this.#withoutKeys.delete(memberId);
    await this.#compare();
  }

  /** After people compared the numbers of `members`, or decided to go on: takes the member's new identity for theirs. */
  async trust(memberId: string): Promise<void> {
    await this.#change([memberId], async (peers) => {
      peers.get(memberId)!.trust();
    });
  }

  /** After events may have been missed: who is inside now. Their identities are compared before anything is sent to them. */
  async resync(others: readonly string[]): Promise<void> {
    this.#others = new Set(others);
    this.#suspects = new Set(others);
    this.#withoutKeys.clear();
    this.#stale = true;
    this.#changed();
    await this.#compare();
  }

  #suspect(memberId: string): void {
    this.#stale = true;
    if (this.#others.has(memberId)) this.#suspects.add(memberId);
    void this.#compare();
  }

  /** Compares identities with those that are published. When that fails the suspects stay, and the next message tries again. */
  async #compare(): Promise<void> {
    while (this.#stale) {
      this.#comparing ??= this.#compareOnce().finally(() => {
        this.#comparing = undefined;
      });
      try {
        await this.#comparing;
      } catch {
        return;
      }
    }
  }

  async #compareOnce(): Promise<void> {
    this.#stale = false;
    try {
      const published = new Map((await this.#api.keys(this.id)).map((keys) => [keys.member.id, keys.identityKey]));
      const theirs = [...this.#others].filter((id) => published.has(id));
      await this.#change(theirs, async (peers) => {
        for (const [id, peer] of peers) peer.see(fromBase64(published.get(id)!));
      });
    } catch (error) {
      this.#stale = true;
      throw error;
    }
    if (!this.#stale) this.#suspects.clear(); // else somebody published meanwhile
  }

  /** Claims the keys of those inside with whom there is no session yet. */
  async #claimMissing(): Promise<ReadonlyMap<string, Claim>> {
    const missing = [...this.#others].filter((id) => !this.#known.get(id)?.started && !this.#withoutKeys.has(id));
    if (missing.length === 0) return new Map();
    const requests = await this.#change(missing, async (peers) => {
      const wanted = [...peers].filter(([, peer]) => !peer.chat.started && !peer.paused);
      return wanted.map(([id, peer]) => [id, peer.nameClaim()] as const);
    });
    const claims = requests.map(async ([id, requestId]): Promise<[string, Claim]> => {
      const bundle = await this.#api.claimKeyBundle(id, requestId).catch(() => undefined);
      if (bundle === null) this.#withoutKeys.add(id);
      return [id, { requestId, bundle }];
    });
    return new Map(await Promise.all(claims));
  }

  /** Null when the member can be written to, in a session that was begun now or before. */
  #ready(id: string, peer: Peer, claim: Claim | undefined): Unreadable | null {
    if (this.#suspects.has(id)) return 'unavailable';
    if (peer.chat.started) return null;
    if (peer.paused) return 'changed';
    if (this.#withoutKeys.has(id)) return 'noKeys';
    if (claim === undefined || claim.requestId !== peer.claim || !claim.bundle) return 'unavailable';
    return peer.start(claim.bundle);
  }

  /** A transaction over the chats with some members. What `work` makes of them is stored, and shown by `members`. */
  async #change<Result>(
    ids: readonly string[],
    work: (peers: ReadonlyMap<string, Peer>, rows: Rows) => Promise<Result>,
  ): Promise<Result> {
    const [result, shown] = await this.#store.change(async (rows) => {
      const room = await rows.get<RoomRow>(this.#path());
      const row = room && (await rows.get<DeviceRow>([this.#account, 'device', room.device]));
      if (row === undefined) throw new Error('The keys of this room were deleted.');
      const device = new Device(row.state);
      const oneTimeKeys = device.state.oneTimePreKeys.size;
      const peers = new Map<string, Peer>();
      for (const id of ids) {
        const kept = await rows.get<PeerRow>(this.#path('peer', id));
        peers.set(id, new Peer(new Chat(device, this.id, this.me, id, kept?.chat), kept));
      }
      const result = await work(peers, rows);
      for (const [id, peer] of peers) await rows.put(this.#path('peer', id), peer.row);
      if (device.state.oneTimePreKeys.size !== oneTimeKeys) {
        await rows.put([this.#account, 'device', room!.device], { ...row, state: device.state });
      }
      return [result, [...peers.values()].map((peer) => peer.shown)] as const;
    });
    this.#show(shown);
    return result;
  }

  #show(shown: readonly Shown[]): void {
    let changed = false;
    for (const member of shown) {
      const before = this.#known.get(member.memberId);
      changed ||= before?.state !== member.state || before.safetyNumber !== member.safetyNumber;
      this.#known.set(member.memberId, member);
    }
    if (changed) this.#changed();
  }

  #path(...rest: string[]): Path {
    return [this.#account, 'room', this.id, ...rest];
  }
}

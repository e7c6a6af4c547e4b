/** A server without a network for tests of keys: it hands out bundles as Parley does, and tags messages. */

import { bytesToHex } from '@noble/curves/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';

import { fromBase64, parts, toBase64 } from '../../core/keys/bytes.ts';
import { isGroup } from '../../core/keys/group.ts';
import { Keyring } from '../../core/keys/keyring.ts';
import type { RoomKeys } from '../../core/keys/room.ts';
import { type KeyStore, MemoryStore } from '../../core/keys/store.ts';
import type { KeyBundle, KeyServer, Message, PublicKey, PublishKeysInput, Sealed } from '../../core/keys/types.ts';
import { decodeEnvelope } from '../../core/keys/wire.ts';

/** Which message keys a ciphertext used: session, ratchet key and number name one each. */
export function keysOf(ciphertext: string): string[] {
  const bytes = fromBase64(ciphertext);
  const envelopes = isGroup(bytes) ? parts(parts(bytes)[2]!).filter((_, index) => index % 2 === 1) : [bytes];
  return envelopes.map((envelope) => {
    const { sessionId, message } = decodeEnvelope(envelope);
    return [bytesToHex(sessionId), bytesToHex(message.header.ratchetKey), message.header.number].join(' ');
  });
}

/** Everybody has one name: as account and as member of every room. */
export class World {
  readonly published = new Map<string, PublishKeysInput & { oneTimePreKeys: PublicKey[] }>();
  readonly inside = new Set<string>();
  /** What was claimed, as "claimer of member", in order. */
  readonly claimed: string[] = [];
  /** Runs before a call of this name by this account is answered: throws, or waits. */
  before: (call: keyof KeyServer, account: string) => void | Promise<void> = () => {};
  readonly #answered = new Map<string, KeyBundle>();
  #messages = 0;

  api(account: string): KeyServer {
    return {
      claimKeyBundle: async (memberId, requestId) => {
        await this.before('claimKeyBundle', account);
        const held = this.published.get(memberId);
        if (held === undefined) return null;
        const request = `${account} ${memberId} ${requestId}`;
        const { identityKey, signedPreKey } = held;
        const bundle = this.#answered.get(request) ?? {
          identityKey,
          signedPreKey,
          oneTimePreKey: held.oneTimePreKeys.shift() ?? null,
        };
        if (!this.#answered.has(request)) this.claimed.push(`${account} of ${memberId}`);
        this.#answered.set(request, bundle);
        return bundle;
      },
      publishKeys: async (input) => {
        await this.before('publishKeys', account);
        this.published.set(account, { ...input, oneTimePreKeys: [...input.oneTimePreKeys] });
      },
      addOneTimePreKeys: async (keys) => {
        await this.before('addOneTimePreKeys', account);
        this.published.get(account)?.oneTimePreKeys.push(...keys);
      },
      keys: async () => {
        await this.before('keys', account);
        return [...this.published]
          .filter(([id]) => this.inside.has(id))
          .map(([id, { identityKey }]) => ({ member: { id }, identityKey }));
      },
    };
  }

  /** What a sealed message becomes. */
  deliver(sender: string, clientMessageId: string, sealed: Sealed): Message {
    return tagged(`message ${++this.#messages}`, sender, clientMessageId, sealed);
  }
}

/** A sealed message with its ID and tag. */
export function tagged(
  id: string,
  sender: string,
  clientMessageId: string,
  { ciphertext, commitment }: Sealed,
): Message {
  const ciphertextHash = toBase64(sha256(fromBase64(ciphertext)));
  return { id, clientMessageId, sender: { id: sender }, ciphertext, commitment, frankingTag: { ciphertextHash } };
}

/** Somebody in a room, with all that the application keeps of them. */
export interface Somebody {
  readonly name: string;
  readonly store: KeyStore;
  readonly ring: Keyring;
  readonly room: RoomKeys;
  /** Encrypts and delivers. */
  says(text: string): Promise<Message>;
  /** The text, or why it is refused. */
  reads(message: Message): Promise<string>;
}

/** Opens the room "room" for somebody who is inside already, as after a reload when they have a store of before. */
export async function opened(world: World, name: string, store: KeyStore = new MemoryStore()): Promise<Somebody> {
  const ring = await Keyring.open(name, world.api(name), { store, oneTimeKeys: 4 });
  const others = [...world.inside].filter((other) => other !== name);
  const room = await ring.room({ id: 'room', kind: 'INVITE', me: name, others });
  return {
    name,
    store,
    ring,
    room,
    async says(text) {
      const clientMessageId = crypto.randomUUID();
      return world.deliver(name, clientMessageId, await room.encrypt(text, clientMessageId));
    },
    async reads(message) {
      const reading = await room.read(message);
      return 'refused' in reading ? reading.refused : reading.text;
    },
  };
}

/** People who are in the room "room" together, from the beginning. */
export async function gathered<const Names extends readonly string[]>(
  world: World,
  ...names: Names
): Promise<{ [Name in Names[number]]: Somebody }> {
  for (const name of names) world.inside.add(name);
  const people = names.map(async (name) => [name, await opened(world, name)] as const);
  const all = Object.fromEntries(await Promise.all(people)) as { [Name in Names[number]]: Somebody };
  for (const name of names) await all[name as Names[number]].room.resync(names.filter((other) => other !== name));
  return all;
}

/** Somebody comes in, and everybody is told. */
export async function joins(world: World, name: string, people: readonly Somebody[]): Promise<Somebody> {
  world.inside.add(name);
  const somebody = await opened(world, name);
  for (const other of people) await other.room.memberJoined(name);
  return somebody;
}

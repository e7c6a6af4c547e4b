/** Whom the viewer met within the last 24 hours, and what a report about them can prove. It outlives a reload, and not the tab. */

import type { DisclosedMessageInput } from '../generated.ts';
import type { Met as MetState } from '../state.ts';
import type { Store } from './store.ts';

const KEPT_MS = 24 * 3_600_000;
/** Of each member, the newest. A report takes 20, which the reporter chooses from these. */
const PROVABLE = 100;
/** And so many characters, for a tab may keep a few million. */
const PROVABLE_LENGTH = 100_000;

export type Evidence = DisclosedMessageInput;

interface Entry {
  readonly memberId: string;
  readonly displayName: string;
  readonly roomId: string;
  /** When they were there last, in milliseconds of this device's clock. */
  readonly at: number;
  readonly evidence: readonly Evidence[];
  readonly reported: boolean;
  readonly blocked: boolean;
}

export class Met {
  readonly #store: Store;
  readonly #storage: Storage;
  #key: string | null = null;
  #entries: readonly Entry[] = [];
  readonly #parted = new Set<string>();

  constructor(store: Store, storage: Storage = sessionStorage) {
    this.#store = store;
    this.#storage = storage;
  }

  /** Of this account from now on; of nobody for null, and then nothing is kept. */
  open(accountId: string | null): void {
    if (accountId === null && this.#key !== null) this.#storage.removeItem(this.#key);
    this.#key = accountId === null ? null : `parley.met.${accountId}`;
    const kept = this.#key === null ? null : this.#storage.getItem(this.#key);
    this.#set(kept === null ? [] : (JSON.parse(kept) as Entry[]));
  }

  /** They are in a room with the viewer. The newest come first. */
  meet(roomId: string, { id, displayName }: { readonly id: string; readonly displayName: string }): void {
    const before = this.#entries.find(({ memberId }) => memberId === id);
    const entry = before ?? { memberId: id, displayName, roomId, evidence: [], reported: false, blocked: false, at: 0 };
    this.#set([{ ...entry, at: Date.now() }, ...this.#entries.filter(({ memberId }) => memberId !== id)]);
  }

  prove(memberId: string, evidence: Evidence): void {
    this.#change(memberId, ({ evidence: before }) => ({
      evidence: newest([...before.filter(({ messageId }) => messageId !== evidence.messageId), evidence]),
    }));
  }

  /** The viewer is about to report or block them: that ends a match of the two. */
  part(memberId: string): void {
    this.#parted.add(memberId);
  }

  parted(memberId: string): boolean {
    return this.#parted.has(memberId);
  }

  mark(memberId: string, what: 'reported' | 'blocked'): void {
    this.#change(memberId, () => ({ [what]: true }));
  }

  /** Of those of the messages that can be proved. */
  evidence(memberId: string, messageIds: readonly string[]): Evidence[] {
    const entry = this.#entries.find((other) => other.memberId === memberId);
    return entry?.evidence.filter(({ messageId }) => messageIds.includes(messageId)) ?? [];
  }

  name(memberId: string): string {
    return this.#entries.find((entry) => entry.memberId === memberId)?.displayName ?? 'They';
  }

  #change(memberId: string, change: (entry: Entry) => Partial<Entry>): void {
    this.#set(this.#entries.map((entry) => (entry.memberId === memberId ? { ...entry, ...change(entry) } : entry)));
  }

  #set(entries: readonly Entry[]): void {
    this.#entries = entries.filter(({ at }) => Date.now() - at < KEPT_MS);
    if (this.#key !== null) {
      try {
        this.#storage.setItem(this.#key, JSON.stringify(this.#entries));
      } catch {
        this.#storage.removeItem(this.#key); // No room for it: then it ends with a reload.
      }
    }
    this.#store.set({ met: this.#entries.map(shown) });
  }
}

function newest(evidence: readonly Evidence[]): readonly Evidence[] {
  let length = 0;
  const before = evidence.findLastIndex(({ plaintext }) => {
    length += plaintext.length;
    return length > PROVABLE_LENGTH;
  });
  return evidence.slice(before + 1).slice(-PROVABLE);
}

function shown({ memberId, displayName, roomId, evidence, reported, blocked }: Entry): MetState {
  const provable = evidence.map(({ messageId, plaintext, sentAt }) => ({
    id: messageId,
    text: plaintext,
    sentAt: new Date(sentAt),
  }));
  return { memberId, displayName, roomId, provable, reported, blocked };
}

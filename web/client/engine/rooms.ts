/** The room that is shown: entered, left, ended, and what happens to those inside. At most one at a time. */

import type { Keyring } from '../../core/keys/keyring.ts';
import type { Api } from '../../shared/api.ts';
import { type MemberPartsFragment, type RoomPartsFragment, UpdatePresenceDocument } from '../generated.ts';
import type { Place } from '../state.ts';
import type { Calls } from './calls.ts';
import { Chat } from './chat.ts';
import type { Media } from './media.ts';
import type { Met } from './met.ts';
import { type EventOf, isInside, memberOf, modeOf, newsOf, othersOf, roomOf } from './parts.ts';
import { leftRoom, memberLeft } from './sentences.ts';
import type { Store } from './store.ts';

/** Whoever types says so again before it lapses, after six seconds. */
const TYPING_MS = 6500;
const TYPING_TOLD_MS = 3000;

export interface RoomParts {
  readonly store: Store;
  readonly ask: Api['ask'];
  readonly calls: Calls;
  readonly media: Media;
  readonly met: Met;
  readonly keyring: () => Promise<Keyring>;
}

export class Rooms {
  readonly #parts: RoomParts;
  #chat: Chat | undefined;
  #partner: string | null = null;
  /** What the server heard last of the viewer's media, in this room. */
  #told = '';
  #telling = false;
  #typed = 0;
  /** The room that the viewer is closing: they need not be told that it was closed, whether the event comes first or the answer. */
  closing: string | null = null;
  readonly #typing = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  get chat(): Chat | undefined {
    return this.#chat;
  }

  /** Shows the room: anew, or with what events did not tell of it. `fresh` is a match that has just begun. */
  enter(room: RoomPartsFragment, fresh = false): void {
    if (!isInside(room)) return;
    const { store, ask, calls, media, met, keyring } = this.#parts;
    const others = othersOf(room);
    if (store.room?.id === room.id) {
      store.setRoom(room.id, () => newsOf(room));
      this.#chat?.resync(others.map(({ id }) => id));
    } else {
      this.#leave();
      store.set({ place: { at: 'room', room: roomOf(room, new Date()) } });
      this.#chat = new Chat(store, ask, met, keyring(), room, fresh);
      void media.prepare(modeOf(room));
    }
    for (const member of others) met.meet(room.id, member);
    this.#partner = others[0]?.displayName ?? this.#partner;
    if (modeOf(room) !== 'TEXT') calls.enter(room.id, others);
    this.#told = '';
    this.tellMedia();
  }

  /** Who a match was with. */
  get partner(): string | null {
    return this.#partner;
  }

  /** Shows the queue; devices stay on for the next match. */
  pause(waiting: Extract<Place, { at: 'waiting' }>): void {
    this.#leave();
    this.#parts.store.set({ place: waiting });
  }

  /** Shows the lobby. `ended` is for a person. */
  exit(ended: string | null): void {
    this.#leave();
    this.#parts.media.release();
    this.#parts.store.set({ place: { at: 'lobby', ended } });
  }

  /** Ends what goes on here, without showing another place. */
  #leave(): void {
    const { store, calls, keyring } = this.#parts;
    const { room } = store;
    calls.leave();
    this.#chat?.leave();
    this.#chat = undefined;
    this.#typed = 0;
    for (const timer of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    if (room !== null)
      void keyring().then(
        (keys) => keys.close(room.id),
        () => {},
      );
  }

  joined({ room, member }: EventOf<'MemberJoined'>): void {
    const { store, calls, met } = this.#parts;
    const here = store.room;
    if (here?.id !== room.id) return;
    if (member.id === here.me.id) {
      store.setMember(room.id, member.id, memberOf(member));
      return;
    }
    const others = here.members.filter(({ id }) => id !== member.id);
    store.setRoom(room.id, () => ({ members: [...others, memberOf(member)] }));
    met.meet(room.id, member);
    if (here.mode !== 'TEXT') calls.joined(member);
    this.#chat?.joined(member.id);
    if (others.length === here.members.length) this.#chat?.note(`${member.displayName} joined.`);
  }

  left({ room, member, memberLeaveReason }: EventOf<'MemberLeft'>): void {
    const { store, calls } = this.#parts;
    const here = store.room;
    if (here?.id !== room.id) return;
    if (member.id === here.me.id) {
      // An invite room: whoever leaves a match is told of its end alone.
      this.exit(this.closing === room.id ? null : leftRoom(memberLeaveReason, here.name));
      return;
    }
    calls.left(member.id);
    this.#chat?.memberLeft(member.id);
    if (here.kind === 'INVITE') this.#chat?.note(memberLeft(memberLeaveReason, member.displayName));
    store.setRoom(room.id, ({ members }) => ({ members: members.filter(({ id }) => id !== member.id) }));
  }

  updated({ room, member }: EventOf<'MemberUpdated'>): void {
    const { store, calls } = this.#parts;
    const before = store.room;
    if (before?.id !== room.id) return;
    store.setRoom(room.id, () => ({ inviteCode: room.inviteCode }));
    store.setMember(room.id, member.id, memberOf(member));
    if (member.id === before.me.id) {
      this.#changed(before.me, member);
      return;
    }
    calls.updated(member.id, member.media.screen);
    clearTimeout(this.#typing.get(member.id));
    if (member.typing) {
      const lapse = (): void => store.setMember(room.id, member.id, { typing: false });
      this.#typing.set(member.id, setTimeout(lapse, TYPING_MS));
    }
  }

  /** Says what the viewer sends, if the room has not heard so yet; the last word counts. */
  tellMedia(): void {
    if (!this.#telling) void this.#tell();
  }

  typing(): void {
    const { store, ask } = this.#parts;
    const roomId = store.room?.id;
    if (roomId === undefined || Date.now() - this.#typed < TYPING_TOLD_MS) return;
    this.#typed = Date.now();
    // Whoever does not hear of it misses nothing.
    ask(UpdatePresenceDocument, { input: { roomId, typing: true } }, { over: 'socket' }).catch(() => {});
  }

  say(text: string): void {
    const { store, ask } = this.#parts;
    this.#chat?.outbox.say(text);
    const roomId = store.room?.id;
    if (roomId === undefined || this.#typed === 0) return;
    this.#typed = 0;
    ask(UpdatePresenceDocument, { input: { roomId, typing: false } }, { over: 'socket' }).catch(() => {});
  }

  #changed(before: { readonly muted: boolean; readonly role: string }, now: MemberPartsFragment): void {
    if (!before.muted && now.muted) this.#chat?.note('A moderator muted you: your messages do not reach the others.');
    if (before.muted && !now.muted) this.#chat?.note('You are not muted any more.');
    if (before.role === now.role) return;
    this.#chat?.note(ROLE[now.role]);
  }

  async #tell(): Promise<void> {
    const { store, ask, media } = this.#parts;
    this.#telling = true;
    try {
      for (;;) {
        const { room } = store;
        const { camera, microphone } = store.state().local;
        const now = { camera, microphone, screen: media.tracks.screen !== null };
        const news = JSON.stringify([room?.id, now]);
        if (room === null || room.mode === 'TEXT' || news === this.#told) return;
        this.#told = news;
        store.setMember(room.id, room.me.id, { media: now });
        await ask(UpdatePresenceDocument, { input: { roomId: room.id, ...now } }, { over: 'socket', patient: true });
      }
    } catch {
      this.#told = ''; // The next change, and the next look at the room after a reconnection, tells all of it.
    } finally {
      this.#telling = false;
    }
  }
}

const ROLE = {
  OWNER: 'The room is yours now.',
  MODERATOR: 'You are a moderator now.',
  MEMBER: 'You are not a moderator any more.',
} as const;

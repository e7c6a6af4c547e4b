/** Into, through and out of matches: the queue, skipping, hanging up, and where the viewer stands after having been away. */

import { inWords } from '../../shared/failures.ts';
import {
  JoinQueueDocument,
  LeaveQueueDocument,
  LeaveRoomDocument,
  SkipDocument,
  StandingDocument,
  type StandingQuery,
  type TicketPartsFragment,
} from '../generated.ts';
import type { Outcome, Preferences } from '../state.ts';
import { type EventOf, isInside, waitingOf } from './parts.ts';
import { keepPreferences } from './preferences.ts';
import type { RoomParts, Rooms } from './rooms.ts';
import { lostMatch, matchEnded, queueLeft, refused } from './sentences.ts';

/** What is asked again when the socket breaks: none of it does harm twice. */
const ORDERED = { over: 'socket', patient: true } as const;

export class Matchmaking {
  readonly #parts: RoomParts;
  readonly #rooms: Rooms;
  /** Whether a match is wanted: one that was made while the person left the queue is not. */
  #wanted = false;
  /** Whether the viewer is on the way into the queue: the server may not have heard of it yet. */
  #queueing = false;
  /** How often the viewer came into the queue, left it, or left a room: as the server has answered. */
  #moves = 0;
  /** Rooms that the viewer is leaving: a look at where they stand may still show them. */
  readonly #leaving = new Set<string>();
  /** Tickets that the person gave up; null stands for one that they are giving up. Events still tell of their beginning. */
  readonly #cancelled = new Set<string | null>();
  /** The one that is shown. */
  #ticket: string | null = null;

  constructor(parts: RoomParts, rooms: Rooms) {
    this.#parts = parts;
    this.#rooms = rooms;
  }

  async join(preferences: Preferences): Outcome {
    const { store } = this.#parts;
    keepPreferences(preferences);
    store.set({ preferences });
    if (store.room !== null) await this.hangUp();
    return this.#queue();
  }

  async leaveQueue(): Outcome {
    const { store, ask } = this.#parts;
    this.#wanted = false;
    if (store.state().place.at === 'waiting') this.#rooms.exit(null);
    this.#cancelled.add(null);
    try {
      const { leaveQueue } = await ask(LeaveQueueDocument, {}, ORDERED);
      if (leaveQueue.ticket !== null) this.#cancelled.add(leaveQueue.ticket.id);
    } finally {
      this.#cancelled.delete(null);
      this.#moves++;
    }
    return null;
  }

  async skip(): Outcome {
    const { store } = this.#parts;
    const { room } = store;
    if (room?.kind !== 'MATCH') return null;
    this.#wanted = true;
    const { preferences } = store.state();
    this.#rooms.pause(soon({ ...preferences, mode: room.mode }));
    await this.#leave(room.id, true);
    return this.#wanted ? this.#queue() : null;
  }

  /** Leaves the queue, the match or the room, whichever there is. */
  async hangUp(): Outcome {
    const { store } = this.#parts;
    const { room } = store;
    if (store.state().place.at === 'waiting') return this.leaveQueue();
    this.#wanted = false;
    if (room === null) return null;
    const { partner } = this.#rooms;
    this.#rooms.exit(room.kind === 'MATCH' && partner !== null ? matchEnded('YOU_LEFT', partner) : null);
    await this.#leave(room.id);
    return null;
  }

  queueJoined({ ticket }: EventOf<'QueueJoined'>): void {
    const { store, media, keyring } = this.#parts;
    // The server queued the viewer anew because the partner was lost, just as the viewer hung up.
    if (!this.#wanted && this.#leaving.size > 0) {
      void this.leaveQueue().catch((error) => store.notice('bad', inWords(error)));
      return;
    }
    if (store.room !== null || this.#cancelled.has(null) || this.#cancelled.has(ticket.id)) return;
    this.#wanted = true;
    this.#showWaiting(ticket);
    void media.prepare(ticket.mode);
    // The server queued the viewer anew because a partner was not reached, who may have seen the identity.
    void keyring()
      .then((keys) => keys.publish('match'))
      .catch(() => {});
  }

  queueLeft({ queueLeaveReason, ticket }: EventOf<'QueueLeft'>): void {
    const { place } = this.#parts.store.state();
    if (place.at !== 'waiting' || ticket.id !== this.#ticket) return;
    this.#wanted = false;
    this.#rooms.exit(queueLeft(queueLeaveReason));
  }

  matched({ room }: EventOf<'Matched'>): void {
    if (!isInside(room)) return; // It ended already, and that is told next.
    if (this.#wanted) this.#rooms.enter(room, true);
    else void this.#leave(room.id).catch((error) => this.#parts.store.notice('bad', inWords(error)));
  }

  matchEnded({ room: { id }, matchEndReason }: EventOf<'MatchEnded'>): void {
    const { room } = this.#parts.store;
    if (room?.id !== id) return;
    this.#wanted = false;
    const partner = this.#rooms.partner ?? 'your partner';
    // Whoever hung up is in another place by now.
    const lost = matchEndReason === 'YOU_LEFT' && !room.members.some((member) => this.#parts.met.parted(member.id));
    this.#rooms.exit(lost ? lostMatch(partner) : matchEnded(matchEndReason, partner));
  }

  /** The first event of a stream, or a hole in it: asks where the viewer is, and shows that. */
  async stand(): Promise<void> {
    const { store, ask, media } = this.#parts;
    let moves: number;
    let standing: StandingQuery;
    do {
      moves = this.#moves; // An answer from before the viewer's last move would take that back.
      standing = await ask(StandingDocument, {}, ORDERED);
    } while (moves !== this.#moves);
    const { rooms, ticket } = standing;
    const open = rooms.filter((room) => isInside(room) && !this.#leaving.has(room.id));
    const before = store.room;
    const room = open.find(({ id }) => id === before?.id) ?? open.find(({ kind }) => kind === 'MATCH') ?? open[0];
    if (room !== undefined) {
      if (before !== null && before.id !== room.id) store.notice('info', 'You are in another conversation now.');
      return this.#rooms.enter(room);
    }
    const { place } = store.state();
    if (ticket !== null) {
      if (place.at === 'lobby') this.#wanted = true;
      if (before !== null) this.#rooms.exit(null);
      void media.prepare(ticket.mode);
      return this.#showWaiting(ticket);
    }
    if (place.at === 'room') this.#rooms.exit('The conversation ended while you were disconnected.');
    else if (place.at === 'waiting' && !this.#queueing) this.#rooms.exit(queueLeft('CONNECTION_LOST'));
  }

  async #queue(): Outcome {
    const { store, media, keyring, ask } = this.#parts;
    const { preferences } = store.state();
    this.#wanted = true;
    this.#queueing = true;
    try {
      void media.prepare(preferences.mode);
      await (await keyring()).publish('match');
      if (!this.#wanted) return null;
      this.#rooms.pause(soon(preferences));
      const { mode, interests, languages, patience } = preferences;
      const { joinQueue: answer } = await ask(
        JoinQueueDocument,
        { input: { mode, interests, languages, patience } },
        ORDERED,
      );
      if (answer.__typename === 'JoinQueueSuccess') this.#showWaiting(answer.ticket);
      else if (answer.__typename === 'AlreadyInMatchError') this.#rooms.enter(answer.room);
      else return this.#failed(refused(answer));
      return null;
    } catch (error) {
      return this.#failed(inWords(error));
    } finally {
      this.#queueing = false;
      this.#moves++;
    }
  }

  /** The form that asked may be gone by now: the lobby says it too. */
  #failed(problem: string): string {
    this.#wanted = false;
    const { at } = this.#parts.store.state().place;
    if (at === 'waiting' || at === 'lobby') this.#rooms.exit(problem);
    return problem;
  }

  /** Unless the match came first: answers and events take different ways. */
  #showWaiting(ticket: TicketPartsFragment): void {
    const { store } = this.#parts;
    const { place, preferences } = store.state();
    if (!this.#wanted || place.at === 'room') return;
    this.#ticket = ticket.id;
    store.set({ place: waitingOf(ticket, preferences) });
  }

  /**
   * Skipping keeps the two apart for a while, hanging up does not. Neither makes a ticket: there shall be new keys before, so
   * that nobody is recognised in the next match by those of the last.
   */
  async #leave(roomId: string, skipping = false): Promise<void> {
    const { ask } = this.#parts;
    this.#leaving.add(roomId);
    try {
      if (skipping) await ask(SkipDocument, { input: { roomId, requeue: false } }, ORDERED);
      else await ask(LeaveRoomDocument, { input: { roomId } }, ORDERED);
    } finally {
      this.#leaving.delete(roomId);
      this.#moves++;
    }
  }
}

/** How waiting looks until the server has given the ticket. */
function soon(preferences: Preferences): ReturnType<typeof waitingOf> {
  const since = new Date();
  return { at: 'waiting', since, widensAt: new Date(since.getTime() + preferences.patience * 1000), preferences };
}

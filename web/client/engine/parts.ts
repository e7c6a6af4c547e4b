/** What the server says, as the state has it. */

import type {
  EventsSubscription,
  MemberPartsFragment,
  RoomPartsFragment,
  SuspensionPartsFragment,
  TicketPartsFragment,
} from '../generated.ts';
import type { Member, Mode, Place, Preferences, Room, Suspension } from '../state.ts';

export type Event = EventsSubscription['events'];
export type EventOf<Name extends Event['__typename']> = Extract<Event, { readonly __typename: Name }>;

/** A room with the viewer inside. */
export type Inside = RoomPartsFragment & { readonly me: MemberPartsFragment };

export function isInside(room: RoomPartsFragment): room is Inside {
  return room.me !== null && room.closedAt === null;
}

export function memberOf({ id, displayName, role, muted, status, typing, media }: MemberPartsFragment): Member {
  const { camera, microphone, screen } = media;
  return { id, displayName, role, muted, status, typing, media: { camera, microphone, screen } };
}

export function othersOf(room: Inside): readonly MemberPartsFragment[] {
  return room.members.filter(({ id }) => id !== room.me.id);
}

/** A room that was just entered: nothing is connected, nothing said. */
export function roomOf(room: Inside, now: Date): Room {
  return {
    ...newsOf(room),
    id: room.id,
    kind: room.kind,
    mode: modeOf(room),
    capacity: room.capacity,
    sharedInterests: room.sharedInterests,
    enteredAt: now,
    peers: {},
    chat: { lines: [], encryption: 'starting', changedIdentities: [], safetyNumbers: {}, unread: 0 },
  };
}

/** What of a room changes. */
export function newsOf(room: Inside): Pick<Room, 'name' | 'inviteCode' | 'me' | 'members'> {
  const { name, inviteCode, me } = room;
  return { name, inviteCode, me: memberOf(me), members: othersOf(room).map(memberOf) };
}

/** Rooms with friends are for everything. */
export function modeOf({ mode }: RoomPartsFragment): Mode {
  return mode ?? 'VIDEO';
}

export function waitingOf(ticket: TicketPartsFragment, preferences: Preferences): Extract<Place, { at: 'waiting' }> {
  const { mode, interests, languages } = ticket;
  return {
    at: 'waiting',
    since: new Date(ticket.enqueuedAt),
    widensAt: new Date(ticket.widensAt),
    preferences: { ...preferences, mode, interests, languages },
  };
}

export function suspensionOf(suspension: SuspensionPartsFragment): Suspension {
  const { id, scope, reason, category, automated, startsAt, endsAt, liftedAt, appeal } = suspension;
  return {
    id,
    scope,
    reason,
    category,
    automated,
    startsAt: new Date(startsAt),
    endsAt: endsAt === null ? null : new Date(endsAt),
    liftedAt: liftedAt === null ? null : new Date(liftedAt),
    appeal,
  };
}

/** What is known of a member and the connection to them, in words. */

import type { Line, Member, Met, Mode, Peer, Room } from '../../state.ts';

export interface Link {
  /** `waiting`: not there yet; `lost`: it was there, or cannot be had. */
  readonly tone: 'good' | 'waiting' | 'lost';
  readonly text: string;
  /** The person may ask for another try. */
  readonly retry: boolean;
}

/** Text needs no peer connection: there it is the member's alone. */
export function link(member: Member, peer: Peer | undefined, mode: Mode): Link {
  if (member.status === 'AWAY') return { tone: 'lost', text: 'Connection lost, their seat is held', retry: false };
  if (mode === 'TEXT') return { tone: 'good', text: 'Online', retry: false };
  switch (peer?.connection) {
    case 'connected':
      return { tone: 'good', text: 'Connected', retry: false };
    case 'interrupted':
      return { tone: 'lost', text: 'Interrupted, trying again', retry: true };
    case 'failed':
      return { tone: 'lost', text: 'No connection could be made', retry: true };
    default:
      return { tone: 'waiting', text: 'Connecting…', retry: false };
  }
}

export const roleName = { OWNER: 'Owner', MODERATOR: 'Moderator', MEMBER: 'Member' };
const ranks = { OWNER: 2, MODERATOR: 1, MEMBER: 0 };

/** Owner over moderator over member: one acts on a lower rank only. */
export function outranks(one: Member, other: Member): boolean {
  return ranks[one.role] > ranks[other.role];
}

/** A member's messages in this room that a report can prove, the newest last. */
export function provableBy(room: Room, memberId: string): Met['provable'] {
  return room.chat.lines.filter(
    (line): line is Extract<Line, { kind: 'message' }> =>
      line.kind === 'message' && !line.mine && line.provable && line.senderId === memberId,
  );
}

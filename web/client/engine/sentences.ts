/** What the domain answers and tells, in words for a person. Failures without an answer have theirs in shared/failures.ts. */

import type { MatchEndReason, MemberLeaveReason, QueueLeaveReason } from '../generated.ts';

/** How a match ended. */
export function matchEnded(reason: MatchEndReason, partner: string): string {
  switch (reason) {
    case 'YOU_SKIPPED':
      return `You moved on from ${partner}.`;
    case 'YOU_LEFT':
      return `The conversation with ${partner} has ended.`;
    case 'PARTNER_LEFT':
      return `${partner} has left the conversation.`;
    case 'PARTNER_LOST':
      return `The connection to ${partner} was lost.`;
    case 'YOU_WERE_SUSPENDED':
      return 'The conversation was ended because you have been suspended.';
  }
}

/** The viewer was not reached within seconds of its beginning, or was away for longer than their seat was held. */
export function lostMatch(partner: string): string {
  return `Your connection was lost or too slow, and the conversation with ${partner} has ended.`;
}

/** Why somebody is not in the queue any more; null where they asked for it. */
export function queueLeft(reason: QueueLeaveReason): string | null {
  switch (reason) {
    case 'LEFT':
      return null;
    case 'EXPIRED':
      return 'You waited without a connection, and have left the queue.';
    case 'CONNECTION_LOST':
      return 'Your connection was lost for too long, and you have left the queue.';
    case 'SUSPENDED':
      return 'You have left the queue because you have been suspended.';
  }
}

/** How the viewer came to leave an invite room; null where they asked for it. */
export function leftRoom(reason: MemberLeaveReason, room: string | null): string | null {
  const name = room === null ? 'the room' : `“${room}”`;
  switch (reason) {
    case 'LEFT':
      return null;
    case 'KICKED':
      return `A moderator removed you from ${name}.`;
    case 'CONNECTION_LOST':
      return `Your connection was lost for too long, and you have left ${name}.`;
    case 'ROOM_CLOSED':
      return `${name.charAt(0).toUpperCase()}${name.slice(1)} was closed.`;
  }
}

/** How somebody else left an invite room. */
export function memberLeft(reason: MemberLeaveReason, name: string): string {
  switch (reason) {
    case 'KICKED':
      return `${name} was removed by a moderator.`;
    case 'CONNECTION_LOST':
      return `The connection to ${name} was lost.`;
    default:
      return `${name} left.`;
  }
}

/** A member of a payload's union that is not its success. `field` of an `InvalidInputError` names what to mend. */
export function refused(failure: {
  readonly __typename: string;
  readonly field?: string;
  readonly capacity?: number;
}): string {
  switch (failure.__typename) {
    case 'SuspendedError':
      return 'You are suspended, and cannot do this now.';
    case 'NotFoundError':
      return 'It is not there any more.';
    case 'NotAllowedError':
      return 'You may not do this.';
    case 'ConflictError':
      return 'Somebody else was faster. Please look again.';
    case 'RoomFullError':
      return failure.capacity === undefined
        ? 'The room is full.'
        : `The room is full: it has ${failure.capacity} seats.`;
    case 'MutedError':
      return 'A moderator muted you: your messages do not reach the others.';
    case 'AlreadyInMatchError':
      return 'You are in a conversation already.';
    case 'NoKeysError':
      return 'The keys for encryption are not there.';
    case 'InvalidInputError':
      return INVALID[failure.field?.split('.')[0] ?? ''] ?? 'The server did not accept what was entered.';
    default:
      return 'The server did not accept this.';
  }
}

const INVALID: Readonly<Record<string, string>> = {
  displayName: 'Please choose a name of 1 to 40 characters, one of which can be seen.',
  name: 'Please choose a name of 1 to 80 characters, one of which can be seen.',
  capacity: 'A room has 2 to 16 seats.',
  interests: 'Please name at most 10 interests of at most 40 characters each.',
  languages: 'Please choose at most 10 languages.',
  patience: 'Please choose 0 to 120 seconds.',
  comment: 'Please write at most 2,000 characters.',
  statement: 'Please write 1 to 4,000 characters.',
  evidence: 'One of the chosen messages cannot be disclosed.',
  ciphertext: 'The message is too long.',
};

/** What became of asking for a device. `what` is "camera", "microphone" or both. */
export function deviceProblem(error: unknown, what: string): string {
  const name = error instanceof Error ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError')
    return `This page may not use your ${what}. Allow it in your browser's address bar, then switch it on here.`;
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return `No ${what} was found.`;
  if (name === 'NotReadableError' || name === 'AbortError')
    return `Your ${what} cannot be used: perhaps another program has it.`;
  return `Your ${what} cannot be used.`;
}

/** The lines of a chat in the room's order. Pure: each function makes another list. */

import type { Line } from '../state.ts';

export type MessageLine = Extract<Line, { kind: 'message' }>;
export type NoteLine = Extract<Line, { kind: 'note' }>;

/** The newest that are kept: whoever writes for hours, or for nothing, shall not make the page slow. */
export const MOST_LINES = 500;

/** The server has taken them all in this order, and what has not arrived there yet comes last. */
export function added(lines: readonly Line[], line: Line): readonly Line[] {
  const at = isPending(line) ? lines.length : pendingFrom(lines);
  return [...lines.slice(0, at), line, ...lines.slice(at)].slice(-MOST_LINES);
}

/** What happens again before anybody says something is told once, at the last time: it does not drive out what was said. */
export function noted(lines: readonly Line[], note: NoteLine): readonly Line[] {
  const to = pendingFrom(lines);
  let from = to;
  while (from > 0 && lines[from - 1]!.kind === 'note') from--;
  const told = (line: Line, at: number): boolean =>
    at >= from && at < to && line.kind === 'note' && line.text === note.text;
  return added(
    lines.filter((line, at) => !told(line, at)),
    note,
  );
}

/** The server answered: the line has its ID and time, and stays where it is until the room's order is told. */
export function sent(lines: readonly Line[], clientId: string, id: string, sentAt: Date): readonly Line[] {
  return lines.map((line) => (isMessage(line, clientId) ? { ...line, id, sentAt, delivery: 'sent' as const } : line));
}

export function delivery(lines: readonly Line[], id: string, state: MessageLine['delivery']): readonly Line[] {
  return lines.map((line) => (isMessage(line, id) ? { ...line, delivery: state } : line));
}

/** The room's order is told: one's own line, under either ID, is the last of those that the server has. */
export function ordered(lines: readonly Line[], clientId: string, id: string, sentAt: Date): readonly Line[] {
  const own = lines.find((line) => isMessage(line, clientId) || isMessage(line, id)) as MessageLine | undefined;
  if (own === undefined) return lines;
  return added(
    lines.filter((line) => line !== own),
    { ...own, id, sentAt, delivery: 'sent' },
  );
}

function pendingFrom(lines: readonly Line[]): number {
  let at = lines.length;
  while (at > 0 && isPending(lines[at - 1]!)) at--;
  return at;
}

function isPending(line: Line): boolean {
  return line.kind === 'message' && line.delivery !== 'sent';
}

function isMessage(line: Line, id: string): line is MessageLine {
  return line.kind === 'message' && line.id === id;
}

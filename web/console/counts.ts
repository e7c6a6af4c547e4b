/** How many cases wait, kept current. */

import { useRef } from 'react';
import { useAsked } from './asked.ts';
import { useCaseEvents } from './desk.tsx';
import { CountsDocument } from './generated.ts';
import { urgency } from './words.ts';

export interface Count {
  readonly count: number;
  /** With a plus when there are more than were counted. */
  readonly text: string;
}

export interface Counts {
  readonly open: Count;
  readonly claimed: Count;
  readonly appealed: Count;
  /** Of those that are open. */
  readonly urgent: number;
}

const SOON_MS = 150;

export function useCounts(): Counts | null {
  const { data, reload } = useAsked(CountsDocument, {});
  const waiting = useRef<ReturnType<typeof setTimeout>>(undefined);
  useCaseEvents(() => {
    clearTimeout(waiting.current); // one question for a burst of events
    waiting.current = setTimeout(() => void reload(), SOON_MS);
  });
  if (data === null) return null;
  const counted = ({ edges, pageInfo }: { edges: readonly unknown[]; pageInfo: { hasNextPage: boolean } }): Count => ({
    count: edges.length,
    text: `${edges.length}${pageInfo.hasNextPage ? '+' : ''}`,
  });
  return {
    open: counted(data.open),
    claimed: counted(data.claimed),
    appealed: counted(data.appealed),
    urgent: data.open.edges.filter(({ node }) => urgency(node.priority) === 'urgent').length,
  };
}

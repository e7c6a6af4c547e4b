/** Which cases a list shows. */

import type { Counts } from '../counts.ts';
import type { CaseStatus } from '../generated.ts';

export type List = 'cases' | 'appeals';

export interface Filter {
  /** In the address. */
  readonly name: string;
  readonly label: string;
  readonly statuses: readonly CaseStatus[];
  /** Where they are counted. */
  readonly counted?: readonly (keyof Omit<Counts, 'urgent'>)[];
  /** What an empty list says. */
  readonly empty: string;
}

/** The first is shown where the address names none. */
export const FILTERS: Readonly<Record<List, readonly Filter[]>> = {
  cases: [
    {
      name: 'waiting',
      label: 'Waiting',
      statuses: ['OPEN', 'CLAIMED'],
      counted: ['open', 'claimed'],
      empty: 'Nothing waits. Good.',
    },
    { name: 'open', label: 'Open', statuses: ['OPEN'], counted: ['open'], empty: 'Nothing waits. Good.' },
    { name: 'claimed', label: 'Claimed', statuses: ['CLAIMED'], counted: ['claimed'], empty: 'Nobody has a case.' },
    {
      name: 'decided',
      label: 'Decided',
      statuses: ['ACTIONED', 'DISMISSED', 'APPEALED', 'UPHELD', 'OVERTURNED'],
      empty: 'Nothing was decided yet.',
    },
  ],
  appeals: [
    {
      name: 'waiting',
      label: 'Waiting',
      statuses: ['APPEALED'],
      counted: ['appealed'],
      empty: 'Nobody waits for a second look. Good.',
    },
    { name: 'decided', label: 'Decided', statuses: ['UPHELD', 'OVERTURNED'], empty: 'No appeal was decided yet.' },
  ],
};

/** A case in a list, in three lines: whom it is about, what for, and where it stands. */

import type { ReactElement } from 'react';
import { Clock, Lock } from '../../shared/ui/icons.tsx';
import { useDesk } from '../desk.tsx';
import type { CaseRowFragment } from '../generated.ts';
import { Ago, useNow } from '../parts.tsx';
import { charges, countdown, DECIDED, grounds, STATUS, URGENCY, urgency } from '../words.ts';

interface RowProps {
  readonly row: CaseRowFragment;
  readonly now: number;
  readonly href: string;
  readonly open: boolean;
  /** It has left the list since. */
  readonly gone: boolean;
}

export function Row({ row, now, href, open, gone }: RowProps): ReactElement {
  const { categories, count } = charges(row.reports);
  const level = urgency(row.priority);
  const proof = grounds(row.priority);
  return (
    <li className={gone ? 'row row-gone' : 'row'}>
      <a href={href} aria-current={open ? 'true' : undefined}>
        <span className="row-top">
          <span className={`level level-${level}`}>{URGENCY[level]}</span>
          <span className="row-about">{categories || 'No reports left'}</span>
          <span className="row-age">
            <Ago at={row.openedAt} now={now} />
          </span>
        </span>
        <span className="row-subject">{row.subject.displayName}</span>
        <span className="row-foot">
          <span>
            {count}
            {proof && ` · ${proof}`}
          </span>
          <Standing row={row} />
        </span>
      </a>
    </li>
  );
}

function Standing({ row }: { readonly row: CaseRowFragment }): ReactElement | null {
  if (row.status === 'CLAIMED' && row.claimExpiresAt !== null) return <Claimed row={row} until={row.claimExpiresAt} />;
  if (row.status === 'OPEN') return row.appeal?.status === 'OPEN' ? <span className="chip">hold appealed</span> : null;
  const decided = row.decision && row.status === 'ACTIONED' ? DECIDED[row.decision] : STATUS[row.status];
  return <span className="chip">{decided}</span>;
}

function Claimed({ row, until }: { readonly row: CaseRowFragment; readonly until: string }): ReactElement {
  const { me } = useDesk();
  const now = useNow(1000);
  if (Date.parse(until) <= now) {
    return (
      <span className="chip">
        <Clock /> claim ran out
      </span>
    );
  }
  const mine = row.claimedBy?.id === me.id;
  return (
    <span className={mine ? 'chip chip-mine' : 'chip'}>
      <Lock /> {mine ? 'You' : (row.claimedBy?.displayName ?? 'Claimed')} · {countdown(until, now)}
    </span>
  );
}

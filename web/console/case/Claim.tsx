/** Who has an undecided case, for how much longer, and how to take it. */

import type { ReactElement } from 'react';
import { Button } from '../../shared/ui/Button.tsx';
import { Clock, Lock } from '../../shared/ui/icons.tsx';
import { useOutcome } from '../../shared/ui/outcome.ts';
import { useDesk } from '../desk.tsx';
import { ClaimCaseDocument } from '../generated.ts';
import { useNow } from '../parts.tsx';
import { clockWords, countdown } from '../words.ts';
import { act } from './acting.ts';
import type { File } from './CaseView.tsx';

const SHORT_MS = 2 * 60_000;

interface ClaimProps {
  readonly file: File;
  readonly reload: () => Promise<void>;
  readonly onRefused: (why: string | null) => void;
}

/** Whether somebody has it at that time of this device's clock. */
export function held(file: File, now: number): boolean {
  return file.status === 'CLAIMED' && file.claimExpiresAt !== null && now < Date.parse(file.claimExpiresAt);
}

export function Claim({ file, reload, onRefused }: ClaimProps): ReactElement {
  const desk = useDesk();
  const now = useNow(1000);
  const { busy, run } = useOutcome();
  const claim = (): void => {
    void run(async () => {
      const why = await act(desk, ClaimCaseDocument, { input: { caseId: file.id } }, reload);
      onRefused(why);
      return why;
    });
  };
  if (!held(file, now)) {
    return (
      <div className="claim">
        <p>
          <Clock /> {file.status === 'CLAIMED' ? 'The claim ran out. ' : ''}Nobody has this case.
        </p>
        <Button tone="primary" size="small" busy={busy} onClick={claim}>
          Claim for 15 minutes
        </Button>
      </div>
    );
  }
  const until = file.claimExpiresAt!;
  if (file.claimedBy?.id !== desk.me.id) {
    return (
      <div className="claim claim-other">
        <p>
          <Lock /> {file.claimedBy?.displayName ?? 'Another operator'} has this case until {clockWords(until)} (
          {countdown(until, now)} left).
        </p>
      </div>
    );
  }
  const brief = Date.parse(until) - now < SHORT_MS;
  return (
    <div className={brief ? 'claim claim-short' : 'claim claim-mine'}>
      <p>
        <Lock /> You have this case for{' '}
        <span className="figures" role="timer">
          {countdown(until, now)}
        </span>{' '}
        more.
      </p>
      <Button size="small" busy={busy} onClick={claim}>
        Renew
      </Button>
    </div>
  );
}

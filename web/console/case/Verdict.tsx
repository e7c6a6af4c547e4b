/** What was decided, by whom and why; and the way to lift a suspension. `fresh` is what was decided while one looked. */

import { type ReactElement, useEffect, useRef, useState } from 'react';
import { Button } from '../../shared/ui/Button.tsx';
import { Dialog } from '../../shared/ui/Dialog.tsx';
import { Problem, TextArea } from '../../shared/ui/Field.tsx';
import { useOutcome } from '../../shared/ui/outcome.ts';
import { type Desk, useDesk } from '../desk.tsx';
import { LiftSuspensionDocument } from '../generated.ts';
import { useNow } from '../parts.tsx';
import { atWords, DECIDED, lengthWords, SCOPE } from '../words.ts';
import { act } from './acting.ts';
import type { File } from './CaseView.tsx';

interface VerdictProps {
  readonly file: File;
  readonly reload: () => Promise<void>;
}

export function Verdict({ file, reload, fresh }: VerdictProps & { readonly fresh: boolean }): ReactElement {
  const { decision, decidedAt, decidedBy, reason } = file;
  const by = decidedBy ? ` by ${decidedBy.displayName}` : '';
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (fresh) heading.current!.focus(); // the form that had the focus is gone
  }, [fresh]);
  return (
    <section className="block verdict" aria-labelledby="verdict-title">
      <div className="block-head">
        <h3 id="verdict-title" tabIndex={-1} ref={heading}>
          {decision && DECIDED[decision]}
          {by}
        </h3>
        {decidedAt && (
          <p className="quiet">
            <time dateTime={decidedAt}>{atWords(decidedAt)}</time>
          </p>
        )}
      </div>
      {reason ? (
        <blockquote className="words" dir="auto">
          {reason}
        </blockquote>
      ) : (
        <p className="quiet">The reasons are not kept any more.</p>
      )}
      <SuspensionLine file={file} reload={reload} />
    </section>
  );
}

/** Also of a hold by a rule, in a case that nobody has decided. */
export function SuspensionLine({ file, reload }: VerdictProps): ReactElement | null {
  const desk = useDesk();
  const now = useNow(15_000);
  const [lifting, setLifting] = useState(false);
  const { suspension } = file;
  if (suspension === null) return null;
  const { automated, scope, startsAt, endsAt, liftedAt } = suspension;
  const over = endsAt !== null && Date.parse(endsAt) <= now;
  const state = liftedAt
    ? `lifted ${atWords(liftedAt)}`
    : over
      ? 'has run out'
      : endsAt
        ? `until ${atWords(endsAt)}`
        : 'no end';
  const force = !liftedAt && !over;
  return (
    <div className="suspension">
      <p>
        {automated ? 'Held by a rule' : 'Suspended'} from {SCOPE[scope]} {lengthWords(startsAt, endsAt)} · {state}
      </p>
      {force && mayLift(desk, file) && (
        <Button size="small" onClick={() => setLifting(true)}>
          Lift …
        </Button>
      )}
      {lifting && (
        <Lift
          suspensionId={suspension.id}
          name={file.subject.displayName}
          reload={reload}
          onClose={() => setLifting(false)}
        />
      )}
    </div>
  );
}

/** Admins any; moderators what they decided themselves, and what a rule did. */
function mayLift({ me }: Desk, { suspension, decidedBy }: File): boolean {
  return me.role === 'ADMIN' || suspension?.automated === true || decidedBy?.id === me.id;
}

interface LiftProps {
  readonly suspensionId: string;
  readonly name: string;
  readonly reload: () => Promise<void>;
  readonly onClose: () => void;
}

function Lift({ suspensionId, name, reload, onClose }: LiftProps): ReactElement {
  const desk = useDesk();
  const [reason, setReason] = useState('');
  const { busy, problem, run } = useOutcome();
  const lift = async (): Promise<void> => {
    const done = await run(async () => {
      if (reason.trim() === '') return 'Say why: whoever appealed reads it.';
      return act(desk, LiftSuspensionDocument, { input: { suspensionId, reason: reason.trim() } }, reload);
    });
    if (done) onClose();
  };
  return (
    <Dialog title={`Lift the suspension of ${name}?`} onClose={onClose}>
      <p>It ends at once. An open appeal against it is overturned with it.</p>
      <TextArea
        label="Why"
        rows={3}
        maxLength={2000}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <Problem text={problem} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button tone="primary" busy={busy} onClick={() => void lift()}>
          Lift
        </Button>
      </div>
    </Dialog>
  );
}

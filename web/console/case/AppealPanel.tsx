/** A second look: what whoever appealed says, and what becomes of it. */

import { type FormEvent, type ReactElement, useState } from 'react';
import { Button } from '../../shared/ui/Button.tsx';
import { Problem, TextArea } from '../../shared/ui/Field.tsx';
import { Info } from '../../shared/ui/icons.tsx';
import { useOutcome } from '../../shared/ui/outcome.ts';
import { useDesk } from '../desk.tsx';
import { type AppealPartsFragment, DecideAppealDocument } from '../generated.ts';
import { Ago, useNow } from '../parts.tsx';
import { atWords } from '../words.ts';
import { act } from './acting.ts';
import type { File } from './CaseView.tsx';

interface AppealProps {
  readonly file: File;
  readonly appeal: AppealPartsFragment;
  readonly reload: () => Promise<void>;
}

const STANDS = { OPEN: 'Appeal', UPHELD: 'Appeal turned down', OVERTURNED: 'Appeal granted' } as const;

export function AppealPanel({ file, appeal, reload }: AppealProps): ReactElement {
  const { me } = useDesk();
  const now = useNow(15_000);
  const own = file.decidedBy?.id === me.id;
  return (
    <section className="block appeal" aria-labelledby="appeal-title">
      <div className="block-head">
        <h3 id="appeal-title">{STANDS[appeal.status]}</h3>
        <p className="quiet">
          <Ago at={appeal.createdAt} now={now} />
        </p>
      </div>
      <blockquote className="words" dir="auto">
        {appeal.statement}
      </blockquote>
      {appeal.status === 'OPEN' && file.decision === null && (
        <p className="note">
          <Info />
          <span>It is against a hold. Deciding the case answers it too.</span>
        </p>
      )}
      {appeal.status === 'OPEN' && own && (
        <p className="note note-warn">
          <Info />
          <span>You decided this case: somebody else decides the appeal against it.</span>
        </p>
      )}
      {appeal.status === 'OPEN' && !own && <DecideAppeal file={file} appeal={appeal} reload={reload} />}
      {appeal.status !== 'OPEN' && (
        <>
          <p>{appeal.reason ?? 'The reasons are not kept any more.'}</p>
          {appeal.decidedAt && <p className="quiet">{atWords(appeal.decidedAt)}</p>}
        </>
      )}
    </section>
  );
}

function DecideAppeal({ appeal, reload }: AppealProps): ReactElement {
  const desk = useDesk();
  const [reason, setReason] = useState('');
  const { busy, problem, run } = useOutcome();
  const decide = (overturn: boolean) => (event?: FormEvent) => {
    event?.preventDefault();
    void run(async () => {
      if (reason.trim() === '') return 'Say why: whoever appealed reads it.';
      return act(
        desk,
        DecideAppealDocument,
        { input: { appealId: appeal.id, overturn, reason: reason.trim() } },
        reload,
      );
    });
  };
  return (
    <div className="decide">
      <TextArea
        label="Your reasons"
        hint="Whoever appealed reads them."
        rows={3}
        maxLength={2000}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <Problem text={problem} />
      <div className="decide-foot">
        <Button size="small" busy={busy} onClick={decide(false)}>
          Uphold: the suspension stays
        </Button>
        <Button size="small" tone="primary" busy={busy} onClick={decide(true)}>
          Overturn: give it back
        </Button>
      </div>
    </div>
  );
}

/** One suspension: why, until when, and the appeal against it with its outcome. */

import { type FormEvent, type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { TextArea } from '../../../shared/ui/Field.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Suspension } from '../../state.ts';
import { useClient } from '../client.ts';
import { dateAndTime } from '../words.ts';
import { categoryLabel } from './categories.ts';

export function SuspensionCard({ suspension }: { readonly suspension: Suspension }): ReactElement {
  const { scope, reason, category, automated, startsAt, endsAt, liftedAt, appeal } = suspension;
  return (
    <div className="suspension">
      <dl className="facts">
        <div>
          <dt>What</dt>
          <dd>{scope === 'ALL' ? 'You cannot use Parley' : 'You cannot be matched; rooms by invitation stay open'}</dd>
        </div>
        <div>
          <dt>Why</dt>
          <dd>
            {category && <strong>{categoryLabel(category)}</strong>}
            <span className="pre-line">{reason}</span>
          </dd>
        </div>
        <div>
          <dt>Until</dt>
          <dd>
            {liftedAt ? `Lifted on ${dateAndTime(liftedAt)}` : endsAt ? dateAndTime(endsAt) : 'Without an end'}
            <span className="muted small">Since {dateAndTime(startsAt)}</span>
          </dd>
        </div>
        <div>
          <dt>Decided by</dt>
          <dd>{automated ? 'A rule, without a person. Somebody will look at it.' : 'A moderator'}</dd>
        </div>
      </dl>
      {appeal ? <AppealOutcome appeal={appeal} /> : liftedAt === null && <AppealForm suspension={suspension} />}
    </div>
  );
}

const outcomes = {
  OPEN: { title: 'Your appeal is being looked at', tone: 'open' },
  UPHELD: { title: 'Your appeal was turned down', tone: 'upheld' },
  OVERTURNED: { title: 'Your appeal was granted', tone: 'overturned' },
};

function AppealOutcome({ appeal }: { readonly appeal: NonNullable<Suspension['appeal']> }): ReactElement {
  const { title, tone } = outcomes[appeal.status];
  return (
    <div className={`appeal appeal-${tone}`} role="status">
      <h2>{title}</h2>
      {appeal.reason && <p className="pre-line">{appeal.reason}</p>}
      {appeal.status === 'OPEN' && <p>Somebody other than who decided will answer. You see it here.</p>}
      <details>
        <summary>What you wrote</summary>
        <p className="pre-line" dir="auto">
          {appeal.statement}
        </p>
      </details>
    </div>
  );
}

function AppealForm({ suspension }: { readonly suspension: Suspension }): ReactElement {
  const client = useClient();
  const [statement, setStatement] = useState('');
  const outcome = useOutcome();
  const submitted = (event: FormEvent): void => {
    event.preventDefault();
    void outcome.run(() =>
      statement.trim() === ''
        ? Promise.resolve('Write why the decision is wrong.')
        : client.appeal(suspension.id, statement.trim()),
    );
  };
  return (
    <form className="form appeal-form" onSubmit={submitted}>
      <TextArea
        label="Appeal"
        value={statement}
        onChange={(event) => setStatement(event.target.value)}
        maxLength={4000}
        rows={5}
        hint="Say why you think the decision is wrong. You can appeal once; somebody other than who decided will read it."
        problem={outcome.problem}
      />
      <div>
        <Button tone="primary" submit busy={outcome.busy}>
          Send the appeal
        </Button>
      </div>
    </form>
  );
}

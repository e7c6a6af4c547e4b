/** What was decided about somebody before. */

import { type ReactElement, useEffect, useRef } from 'react';
import { useAsked } from '../asked.ts';
import { SubjectHistoryDocument, type SubjectHistoryQuery, type UserPartsFragment } from '../generated.ts';
import { Ago, Failed, Loading, useNow } from '../parts.tsx';
import { link } from '../route.ts';
import { charges, DECIDED, lengthWords, plural, SCOPE, STATUS } from '../words.ts';

type Earlier = SubjectHistoryQuery['cases']['edges'][number]['node'];

interface HistoryProps {
  /** Of the case that is open. */
  readonly id: string;
  readonly subject: UserPartsFragment;
  /** Changes when the case has. */
  readonly version: number;
}

export function History({ id, subject, version }: HistoryProps): ReactElement {
  const { data, problem, loading, reload } = useAsked(SubjectHistoryDocument, { subjectId: subject.id });
  const now = useNow(60_000);
  const first = useRef(version);
  useEffect(() => {
    if (version !== first.current) void reload();
  }, [version, reload]);
  const others = data?.cases.edges.map(({ node }) => node).filter((node) => node.id !== id) ?? [];
  const past = others.toSorted((one, other) => (one.openedAt < other.openedAt ? 1 : -1));
  return (
    <section className="block" aria-labelledby="history-title">
      <div className="block-head">
        <h3 id="history-title">History</h3>
        {data && <p className="quiet">{summary(past)}</p>}
      </div>
      {problem && <Failed problem={problem} onRetry={() => void reload()} />}
      {!data && loading && <Loading what="earlier cases" />}
      <ol className="history">
        {past.map((node) => (
          <li key={node.id}>
            <p>
              <a href={link('cases', { id: node.id })}>{charges(node.reports).categories || 'Case'}</a>{' '}
              <span className="quiet">
                <Ago at={node.openedAt} now={now} />
              </span>
            </p>
            <p>{outcome(node)}</p>
            {node.reason && <p className="history-reason">“{node.reason}”</p>}
          </li>
        ))}
      </ol>
      {data?.cases.pageInfo.hasNextPage && <p className="quiet">There are more than 50.</p>}
    </section>
  );
}

function summary(past: readonly Earlier[]): string {
  if (past.length === 0) return 'No other case.';
  const warned = past.filter(({ decision }) => decision === 'WARN').length;
  const suspended = past.filter(({ decision }) => decision === 'SUSPEND').length;
  const parts = [plural(past.length, 'other case')];
  if (warned > 0) parts.push(plural(warned, 'warning'));
  if (suspended > 0) parts.push(plural(suspended, 'suspension'));
  return parts.join(', ');
}

function outcome({ status, decision, decidedBy, suspension }: Earlier): string {
  if (decision === null) return STATUS[status];
  const taken =
    decision === 'SUSPEND' && suspension
      ? ` from ${SCOPE[suspension.scope]} ${lengthWords(suspension.startsAt, suspension.endsAt)}`
      : '';
  const by = decidedBy ? ` by ${decidedBy.displayName}` : '';
  const appealed = ['APPEALED', 'UPHELD', 'OVERTURNED'].includes(status) ? ` · ${STATUS[status].toLowerCase()}` : '';
  return `${DECIDED[decision]}${taken}${by}${suspension?.liftedAt && !appealed ? ' · lifted' : ''}${appealed}`;
}

/** The audit log, for admins: who did what to which case, the newest first. */

import { type ReactElement, useCallback, useEffect, useState } from 'react';
import { inWords } from '../../shared/failures.ts';
import { Button } from '../../shared/ui/Button.tsx';
import { Select, TextField } from '../../shared/ui/Field.tsx';
import { Refresh } from '../../shared/ui/icons.tsx';
import { useDesk } from '../desk.tsx';
import { AuditLogDocument, type AuditLogQuery } from '../generated.ts';
import { Empty, Failed, Loading, useTitle } from '../parts.tsx';
import { link } from '../route.ts';
import { atWords, plural, short } from '../words.ts';
import { actionName, actionWords, actorWords, caseOf } from './words.ts';

type Entry = AuditLogQuery['auditLog']['edges'][number]['node'];

const ANY = { value: '', label: 'Any' };

export function Audit(): ReactElement {
  const { entries, more, problem, loading, reload, loadMore } = useLog();
  const [actor, setActor] = useState('');
  const [action, setAction] = useState('');
  const [about, setAbout] = useState('');
  useTitle('Audit log');
  const shown = entries?.filter(
    (entry) =>
      (actor === '' || named(entry) === actor) &&
      (action === '' || entry.action === action) &&
      (about.trim() === '' || `${entry.target} ${entry.details}`.includes(about.trim())),
  );
  const choices = (values: readonly string[], label: (value: string) => string) => [
    ANY,
    ...[...new Set(values)].sort().map((value) => ({ value, label: label(value) })),
  ];
  return (
    <main className="page">
      <div className="page-head">
        <h1>Audit log</h1>
        <Button size="small" icon={Refresh} busy={loading && entries !== null} onClick={reload}>
          Refresh
        </Button>
      </div>
      <div className="audit-filters">
        <Select
          label="Who"
          value={actor}
          options={choices(entries?.map(named) ?? [], (name) => name)}
          onChange={setActor}
        />
        <Select
          label="What"
          value={action}
          options={choices(entries?.map((entry) => entry.action) ?? [], actionName)}
          onChange={setAction}
        />
        <TextField
          label="ID"
          placeholder="of a case or a user"
          value={about}
          onChange={(event) => setAbout(event.target.value)}
        />
      </div>
      {problem && <Failed problem={problem} onRetry={reload} />}
      {entries === null && loading && <Loading what="the log" />}
      {shown && entries && (
        <p className="quiet" role="status">
          {shown.length === entries.length
            ? plural(shown.length, 'entry').replace('entrys', 'entries')
            : `${shown.length} of the ${entries.length} entries loaded`}
        </p>
      )}
      {shown && shown.length > 0 && (
        <table className="audit">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">About</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((entry) => (
              <Line key={entry.id} entry={entry} />
            ))}
          </tbody>
        </table>
      )}
      {shown?.length === 0 && <Empty title="None of the loaded entries is like that." />}
      {more && (
        <p>
          <Button size="small" busy={loading} onClick={loadMore}>
            Load older entries
          </Button>
        </p>
      )}
    </main>
  );
}

function Line({ entry }: { readonly entry: Entry }): ReactElement {
  const caseId = caseOf(entry.target, entry.details);
  const [kind, id] = entry.target?.split(':') ?? [];
  return (
    <tr>
      <td>
        <time dateTime={entry.at}>{atWords(entry.at)}</time>
      </td>
      <td>{named(entry)}</td>
      <td title={[entry.action, entry.details].filter(Boolean).join(' ')}>
        {actionWords(entry.action, entry.details)}
      </td>
      <td>
        {caseId ? (
          <a href={link('cases', { id: caseId })}>
            case <code>{short(caseId)}</code>
          </a>
        ) : (
          id && (
            <span title={id}>
              {kind} <code>{short(id)}</code>
            </span>
          )
        )}
      </td>
    </tr>
  );
}

function named({ action, actor }: Entry): string {
  return actorWords(action, actor?.displayName ?? null);
}

function useLog() {
  const { api } = useDesk();
  const [loaded, setLoaded] = useState<{ entries: readonly Entry[]; end: string | null; more: boolean } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const ask = useCallback(
    async (after: string | null) => {
      setLoading(true);
      try {
        const { auditLog: log } = await api.ask(AuditLogDocument, { after }, { patient: true });
        const found = log.edges.map(({ node }) => node);
        setLoaded((before) => ({
          entries: after === null ? found : [...(before?.entries ?? []), ...found],
          end: log.pageInfo.endCursor,
          more: log.pageInfo.hasNextPage,
        }));
        setProblem(null);
      } catch (error) {
        setProblem(inWords(error));
      }
      setLoading(false);
    },
    [api],
  );
  useEffect(() => void ask(null), [ask]);
  return {
    entries: loaded?.entries ?? null,
    more: loaded?.more ?? false,
    problem,
    loading,
    reload: () => void ask(null),
    loadMore: () => void ask(loaded?.end ?? null),
  };
}

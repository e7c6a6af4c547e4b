/** One case: what was reported, what is known of its subject, and what becomes of it. */

import { type ReactElement, useRef, useState } from 'react';
import { IconButton } from '../../shared/ui/Button.tsx';
import { Copy, Info } from '../../shared/ui/icons.tsx';
import { useAsked } from '../asked.ts';
import { useCaseEvents } from '../desk.tsx';
import { CaseFileDocument, type CaseFilePartsFragment } from '../generated.ts';
import { Ago, Empty, Failed, Loading, useNow, useTitle } from '../parts.tsx';
import { grounds, STATUS, URGENCY, urgency } from '../words.ts';
import { AppealPanel } from './AppealPanel.tsx';
import { Claim } from './Claim.tsx';
import { Decide } from './Decide.tsx';
import { History } from './History.tsx';
import { Reports } from './Reports.tsx';
import { SuspensionLine, Verdict } from './Verdict.tsx';

export type File = CaseFilePartsFragment;

/** `back` is the address of the list. */
export function CaseView({ id, back }: { readonly id: string; readonly back: string }): ReactElement {
  const { data, problem, loading, reload } = useAsked(CaseFileDocument, { id });
  const [version, setVersion] = useState(0);
  const [refused, setRefused] = useState<string | null>(null);
  useCaseEvents((changed) => {
    if (changed !== null && changed.id !== id) return;
    void reload();
    setVersion((count) => count + 1);
  });
  const file = data?.case;
  const waited = useRef(false);
  if (file?.decision === null) waited.current = true;
  useTitle(file ? `Case about ${file.subject.displayName}` : 'Case');
  return (
    <article className="case">
      <p className="case-back">
        <a href={back}>← Back to the list</a>
      </p>
      {problem && <Failed problem={problem} onRetry={() => void reload()} />}
      {!data && loading && <Loading what="the case" />}
      {data && !file && (
        <Empty title="There is no such case.">It may be about you: then somebody else judges it.</Empty>
      )}
      {file && (
        <>
          <Head file={file} />
          <div role="alert">
            {refused && (
              <p className="note note-warn">
                <Info />
                <span>{refused}</span>
              </p>
            )}
          </div>
          {file.decision === null && <Claim file={file} reload={reload} onRefused={setRefused} />}
          {file.decision === null && file.suspension && (
            <section className="block" aria-label="Hold">
              <SuspensionLine file={file} reload={reload} />
            </section>
          )}
          {file.decision !== null && <Verdict file={file} reload={reload} fresh={waited.current} />}
          {file.appeal && <AppealPanel key={file.appeal.id} file={file} appeal={file.appeal} reload={reload} />}
          <Reports id={id} subject={file.subject.displayName} version={version} />
          <History id={id} subject={file.subject} version={version} />
          {file.decision === null && <Decide file={file} reload={reload} onRefused={setRefused} />}
        </>
      )}
    </article>
  );
}

function Head({ file }: { readonly file: File }): ReactElement {
  const now = useNow(15_000);
  const level = urgency(file.priority);
  const proof = grounds(file.priority);
  return (
    <header className="case-head">
      <h2>{file.subject.displayName}</h2>
      <p className="case-facts">
        <span className={`level level-${level}`}>{URGENCY[level]}</span>
        {proof && <span>{proof}</span>}
        <span>{STATUS[file.status]}</span>
        <span>
          opened <Ago at={file.openedAt} now={now} />
        </span>
        <Id label="case" id={file.id} />
        <Id label="user" id={file.subject.id} />
      </p>
    </header>
  );
}

function Id({ label, id }: { readonly label: string; readonly id: string }): ReactElement {
  return (
    <span className="id">
      {label} <code>{id.slice(0, 8)}</code>
      <IconButton
        label={`Copy the ${label}'s ID`}
        icon={Copy}
        onClick={() => void navigator.clipboard?.writeText(id)}
      />
    </span>
  );
}

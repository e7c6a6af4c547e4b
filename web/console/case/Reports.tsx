/** What was reported: each report, what its reporter wrote, and what they could prove. */

import { type ReactElement, useEffect, useRef, useState } from 'react';
import { inWords } from '../../shared/failures.ts';
import { Button } from '../../shared/ui/Button.tsx';
import { Info } from '../../shared/ui/icons.tsx';
import { useDesk } from '../desk.tsx';
import { CaseReportsDocument, type CaseReportsQuery } from '../generated.ts';
import { Ago, Failed, Loading, useNow } from '../parts.tsx';
import { CATEGORY, plural } from '../words.ts';
import { Covered } from './Covered.tsx';
import { useEvidence, useReporters } from './disclosures.ts';
import { Evidence } from './Evidence.tsx';

type ReportNode = NonNullable<CaseReportsQuery['case']>['reports']['edges'][number]['node'];

interface ReportsProps {
  readonly id: string;
  readonly subject: string;
  /** Changes when the case has. */
  readonly version: number;
}

export function Reports({ id, subject, version }: ReportsProps): ReactElement {
  const { me } = useDesk();
  const { reports, more, problem, load, loadMore } = useReports(id, version);
  const evidence = useEvidence(id);
  const reporters = useReporters(id);
  const now = useNow(15_000);
  return (
    <section className="block" aria-labelledby="reports-title">
      <div className="block-head">
        <h3 id="reports-title">
          {reports === null ? 'Reports' : plural(reports.length, 'report') + (more ? ' and more' : '')}
        </h3>
        <div className="block-actions">
          {me.role === 'ADMIN' && reporters.found === null && (
            <Button size="small" busy={reporters.busy} onClick={() => void reporters.ask()}>
              Who reported?
            </Button>
          )}
          <Button size="small" busy={evidence.busy} onClick={() => void evidence.ask()}>
            {evidence.found === null ? 'Look at the evidence' : 'Look again'}
          </Button>
        </div>
      </div>
      <p className="note">
        <Info />
        <span>
          Every look at evidence{me.role === 'ADMIN' ? ' and at reporters' : ''} is an entry in the audit log. Ask for
          it once you mean to judge.
        </span>
      </p>
      {(evidence.problem ?? reporters.problem) && (
        <Failed
          problem={(evidence.problem ?? reporters.problem)!}
          onRetry={() => void (evidence.problem ? evidence : reporters).ask()}
        />
      )}
      {problem && <Failed problem={problem} onRetry={load} />}
      {reports === null && !problem && <Loading what="reports" />}
      <ol className="reports">
        {reports?.map(({ weight, report }) => (
          <li key={report.id} className="report">
            <p className="report-head">
              <strong>{CATEGORY[report.category]}</strong>
              <Weight value={weight} />
              <span className="quiet">
                <Ago at={report.createdAt} now={now} />
              </span>
              {reporters.found?.has(report.id) && (
                <span>by {reporters.found.get(report.id)?.displayName ?? 'an account that is gone'}</span>
              )}
            </p>
            {report.comment === null ? (
              <p className="quiet">No comment.</p>
            ) : (
              <Covered what="Comment" text={report.comment} category={CATEGORY[report.category]} />
            )}
            {evidence.found !== null && (
              <Evidence
                messages={evidence.found.get(report.id)}
                category={CATEGORY[report.category]}
                subject={subject}
              />
            )}
          </li>
        ))}
      </ol>
      {more && (
        <Button size="small" onClick={loadMore}>
          Load more reports
        </Button>
      )}
    </section>
  );
}

/** How much a word counts: 0.1 to 1, and 0.5 without a record. */
function Weight({ value }: { readonly value: number }): ReactElement {
  return (
    <span className="weight" title="How much this reporter's word counts: 0.1 to 1; 0.5 without a record">
      weight <meter min={0} max={1} value={value} aria-label="Weight of the reporter's word" />{' '}
      <span className="figures">{value.toFixed(2)}</span>
    </span>
  );
}

interface Loaded {
  readonly nodes: readonly ReportNode[];
  readonly end: string | null;
  readonly more: boolean;
}

function useReports(id: string, version: number) {
  const { api } = useDesk();
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const question = useRef(0);
  /** As many pages as there were, and one more behind them if `further`. */
  const ask = async (further: boolean): Promise<void> => {
    const mine = ++question.current;
    const wanted = (loaded?.nodes.length ?? 0) + (further ? 1 : 0);
    const nodes: ReportNode[] = [];
    let page: NonNullable<CaseReportsQuery['case']>['reports']['pageInfo'] | undefined;
    try {
      do {
        const { case: file } = await api.ask(CaseReportsDocument, { id, after: page?.endCursor }, { patient: true });
        if (mine !== question.current) return;
        nodes.push(...(file?.reports.edges.map(({ node }) => node) ?? []));
        page = file?.reports.pageInfo;
      } while (page?.hasNextPage && nodes.length < wanted);
      setLoaded({ nodes, end: page?.endCursor ?? null, more: page?.hasNextPage ?? false });
      setProblem(null);
    } catch (error) {
      if (mine === question.current) setProblem(inWords(error));
    }
  };
  const again = useRef(ask);
  again.current = ask;
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when the case has changed
  useEffect(() => {
    void again.current(false);
  }, [id, version]);
  return {
    reports: loaded?.nodes ?? null,
    more: loaded?.more ?? false,
    problem,
    load: () => void ask(false),
    loadMore: () => void ask(true),
  };
}

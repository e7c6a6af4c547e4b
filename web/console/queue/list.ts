/** A list of cases that stays true: asked for page by page, changed by events, and still under the eyes of whoever reads it. */

import { useCallback, useEffect, useRef, useState } from 'react';
import { inWords } from '../../shared/failures.ts';
import { useCaseEvents, useDesk } from '../desk.tsx';
import { type CaseRowFragment, CasesDocument } from '../generated.ts';
import type { Filter } from './filters.ts';

const PAGE = 40;
/** What one question may ask for. */
const LARGEST_PAGE = 100;

export interface CaseList {
  /** In the order in which they are shown; null before the first answer. */
  readonly rows: readonly CaseRowFragment[] | null;
  /** Which of them are in the list no more. */
  readonly gone: ReadonlySet<string>;
  /** How many have come since that are not shown yet. */
  readonly fresh: number;
  readonly problem: string | null;
  readonly loading: boolean;
  readonly more: boolean;
  readonly loadMore: () => void;
  readonly reload: () => void;
  /** While it is read nothing in it moves: what changes does so in place, and what comes is counted. */
  readonly read: (reading: boolean) => void;
  /** Shows all that has come. */
  readonly show: () => void;
}

interface Truth {
  readonly order: readonly string[];
  readonly end: string | null;
  readonly more: boolean;
}

export function useCaseList(filter: Filter): CaseList {
  const { api } = useDesk();
  const known = useRef(new Map<string, CaseRowFragment>());
  const [truth, setTruth] = useState<Truth | null>(null);
  const [shown, setShown] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const reading = useRef(false);
  const question = useRef(0);
  const newest = useRef(truth);
  newest.current = truth;

  const take = useCallback((next: Truth) => {
    newest.current = next;
    setTruth(next);
    setShown((before) => (reading.current && before.length > 0 ? before : next.order));
  }, []);

  const ask = useCallback(
    async (first: number, after: string | null) => {
      const mine = ++question.current;
      setLoading(true);
      try {
        const { cases } = await api.ask(CasesDocument, { statuses: filter.statuses, first, after }, { patient: true });
        if (mine !== question.current) return;
        const found = cases.edges.map(({ node }) => node);
        for (const row of found) known.current.set(row.id, row);
        const before = after === null ? [] : (newest.current?.order ?? []);
        const order = [...new Set([...before, ...found.map(({ id }) => id)])];
        take({ order, end: cases.pageInfo.endCursor ?? null, more: cases.pageInfo.hasNextPage });
        if (after !== null) setShown((now) => [...new Set([...now, ...found.map(({ id }) => id)])]);
        setProblem(null);
      } catch (error) {
        if (mine === question.current) setProblem(inWords(error));
      }
      if (mine === question.current) setLoading(false);
    },
    [api, filter, take],
  );
  const reload = useCallback(() => {
    const count = newest.current?.order.length ?? 0;
    return ask(Math.min(LARGEST_PAGE, Math.max(PAGE, count)), null);
  }, [ask]);
  useEffect(() => {
    void reload();
    return () => {
      question.current++;
    };
  }, [reload]);

  useCaseEvents((changed) => {
    const now = newest.current;
    if (changed === null || now === null) return void reload();
    known.current.set(changed.id, changed);
    const others = now.order.filter((id) => id !== changed.id);
    if (!filter.statuses.includes(changed.status)) return take({ ...now, order: others });
    const place = others.findIndex((id) => precedes(changed, known.current.get(id)!));
    if (place === -1 && now.more) return take({ ...now, order: others }); // it is on a page that nobody asked for
    take({ ...now, order: place === -1 ? [...others, changed.id] : others.toSpliced(place, 0, changed.id) });
  });

  const show = useCallback(() => setShown(newest.current?.order ?? []), []);
  const inside = new Set(truth?.order);
  const there = new Set(shown);
  return {
    rows: truth && shown.map((id) => known.current.get(id)!),
    gone: new Set(shown.filter((id) => !inside.has(id))),
    fresh: truth?.order.filter((id) => !there.has(id)).length ?? 0,
    problem,
    loading,
    more: truth?.more ?? false,
    loadMore: () => void ask(PAGE, truth?.end ?? null),
    reload: () => void reload(),
    read: useCallback(
      (now) => {
        reading.current = now;
        if (!now) show();
      },
      [show],
    ),
    show,
  };
}

/** The most urgent first, then the oldest, as the server lists them. */
function precedes(one: CaseRowFragment, other: CaseRowFragment): boolean {
  if (one.priority !== other.priority) return one.priority < other.priority;
  return one.openedAt === other.openedAt ? one.id < other.id : one.openedAt < other.openedAt;
}

/** What is on record once it was looked at: asked for when an operator says so, and page by page as the reports are. */

import { useCallback, useState } from 'react';
import { inWords } from '../../shared/failures.ts';
import { useDesk } from '../desk.tsx';
import {
  CaseEvidenceDocument,
  type CaseEvidenceQuery,
  CaseReportersDocument,
  type UserPartsFragment,
} from '../generated.ts';

type EvidenceNode = NonNullable<CaseEvidenceQuery['case']>['reports']['edges'][number]['node'];
export type Message = EvidenceNode['evidence'][number];

export interface Disclosed<Shown> {
  /** By the report's ID; null before it was asked for. */
  readonly found: ReadonlyMap<string, Shown> | null;
  readonly busy: boolean;
  readonly problem: string | null;
  /** Asks for that of all reports. */
  readonly ask: () => Promise<void>;
}

interface Page<Shown> {
  readonly found: readonly (readonly [string, Shown])[];
  readonly next: string | null;
}

/** The messages that reporters disclosed. */
export function useEvidence(id: string): Disclosed<readonly Message[]> {
  const { api } = useDesk();
  return useDisclosed(
    useCallback(
      async (after) => {
        const { case: file } = await api.ask(CaseEvidenceDocument, { id, after });
        return page(file?.reports, (node) => [node.report.id, node.evidence] as const);
      },
      [api, id],
    ),
  );
}

/** Who reported; null where the account is gone. */
export function useReporters(id: string): Disclosed<UserPartsFragment | null> {
  const { api } = useDesk();
  return useDisclosed(
    useCallback(
      async (after) => {
        const { case: file } = await api.ask(CaseReportersDocument, { id, after });
        return page(file?.reports, (node) => [node.report.id, node.reporter] as const);
      },
      [api, id],
    ),
  );
}

interface Connection<Node> {
  readonly edges: readonly { readonly node: Node }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

function page<Node, Shown>(
  connection: Connection<Node> | undefined,
  entry: (node: Node) => readonly [string, Shown],
): Page<Shown> {
  if (connection === undefined) return { found: [], next: null };
  const { hasNextPage, endCursor } = connection.pageInfo;
  return { found: connection.edges.map(({ node }) => entry(node)), next: hasNextPage ? endCursor : null };
}

function useDisclosed<Shown>(pageBehind: (after: string | null) => Promise<Page<Shown>>): Disclosed<Shown> {
  const [found, setFound] = useState<ReadonlyMap<string, Shown> | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const ask = useCallback(async () => {
    setBusy(true);
    setProblem(null);
    try {
      const all = new Map<string, Shown>();
      let after: string | null = null;
      do {
        const { found, next } = await pageBehind(after);
        for (const [id, shown] of found) all.set(id, shown);
        after = next;
      } while (after !== null);
      setFound(all);
    } catch (error) {
      setProblem(inWords(error));
    }
    setBusy(false);
  }, [pageBehind]);
  return { found, busy, problem, ask };
}

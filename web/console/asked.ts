/** What a view shows of the server: asked for once it is there, and again whenever the view says so. */

import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import type { AnyVariables } from '@urql/core';
import { useCallback, useEffect, useRef, useState } from 'react';
import { inWords } from '../shared/failures.ts';
import { useDesk } from './desk.tsx';

export interface Asked<Data> {
  /** The last answer, also while the next one is under way. */
  readonly data: Data | null;
  /** A sentence for a person, until an answer comes. */
  readonly problem: string | null;
  readonly loading: boolean;
  readonly reload: () => Promise<void>;
}

/** Asks again when `variables` change in value; of answers that overtake each other the last question's counts. */
export function useAsked<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Asked<Data> {
  const { api } = useDesk();
  const key = JSON.stringify(variables);
  const [answer, setAnswer] = useState<{ readonly key: string; readonly data: Data } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const question = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++question.current;
    setLoading(true);
    try {
      const data = await api.ask(document, JSON.parse(key) as Variables, { patient: true });
      if (mine !== question.current) return;
      setAnswer({ key, data });
      setProblem(null);
    } catch (error) {
      if (mine === question.current) setProblem(inWords(error));
    }
    if (mine === question.current) setLoading(false);
  }, [api, document, key]);
  useEffect(() => {
    void reload();
    return () => {
      question.current++;
    };
  }, [reload]);
  return { data: answer?.key === key ? answer.data : null, problem, loading, reload };
}

/** What every view of the console stands on: who judges, the API, and what happens to cases as it happens. */

import {
  createContext,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { type Api, type Connection, openApi } from '../shared/api.ts';
import { inWords, SessionEnded } from '../shared/failures.ts';
import type { Session } from '../shared/session.ts';
import { Button } from '../shared/ui/Button.tsx';
import { CaseEventsDocument, type CaseRowFragment, DeskDocument, type OperatorRole } from './generated.ts';

/** To whoever did not sign out themselves. */
export const SIGNED_OUT =
  'You were signed out: the session is over, or your role was taken away or your token replaced. Sign in again, or ask whoever runs the server.';

const EVERY_MS = 60_000;

/** A case as it is now; null when something may have been missed, and all is to be asked again. */
type Told = (changed: CaseRowFragment | null) => void;

export interface Desk {
  readonly api: Api;
  readonly me: { readonly id: string; readonly name: string; readonly role: OperatorRole };
  /** `replaced`: other tabs of this operator took the connection's place. */
  readonly connection: Connection | 'replaced';
  /** Opens a connection again that was replaced. */
  readonly reopen: () => void;
  /** Returns what stops it. */
  readonly listen: (told: Told) => () => void;
}

const DeskContext = createContext<Desk | null>(null);

export function useDesk(): Desk {
  return useContext(DeskContext)!;
}

/** Calls the newest `told` on each thing that happens. */
export function useCaseEvents(told: Told): void {
  const { listen } = useDesk();
  const newest = useRef(told);
  newest.current = told;
  useEffect(() => listen((changed) => newest.current(changed)), [listen]);
}

interface DeskProps {
  readonly session: Session;
  /** The session is over, with a sentence that says why. */
  readonly onEnd: (why: string) => void;
  readonly children: ReactNode;
}

export function DeskOf({ session, onEnd, children }: DeskProps): ReactElement {
  const listeners = useRef(new Set<Told>());
  const [api, setApi] = useState<Api | null>(null);
  const [connection, setConnection] = useState<Desk['connection']>('connecting');
  const [me, setMe] = useState<Desk['me'] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [opened, setOpened] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `opened` counts how often to begin anew
  useEffect(() => {
    const tell: Told = (changed) => {
      for (const told of [...listeners.current]) told(changed);
    };
    const desk = openApi(session, {
      connection: (now) => {
        setConnection(now);
        if (now === 'live') tell(null); // what happened meanwhile is asked for
      },
      ended: (why) => (why instanceof SessionEnded ? onEnd(SIGNED_OUT) : setConnection('replaced')),
    });
    // A socket that opens again sends these variables as they are then: it goes on behind the last event.
    const variables: { after?: string } = {};
    const stop = desk.follow(
      CaseEventsDocument,
      variables,
      ({ caseEvents: event }) => {
        variables.after = event.cursor;
        tell(event.__typename === 'CaseChanged' ? event.case : null);
      },
      (why) =>
        why instanceof SessionEnded || why.code === 'FORBIDDEN' ? onEnd(SIGNED_OUT) : setConnection('replaced'),
    );
    // A claim that runs out is nobody's doing, so nobody tells of it.
    const clock = setInterval(() => tell(null), EVERY_MS);
    setApi(desk);
    return () => {
      clearInterval(clock);
      stop();
      desk.close();
    };
  }, [session, onEnd, opened]);

  const asked = useRef<() => void>(() => {});
  asked.current = () => {
    setProblem(null);
    api?.ask(DeskDocument, {}, { patient: true }).then(
      ({ me: found }) => {
        const role = found?.operatorRole;
        if (found && role) setMe({ id: found.user.id, name: found.user.displayName, role });
        else onEnd(SIGNED_OUT);
      },
      (error: unknown) => (error instanceof SessionEnded ? onEnd(SIGNED_OUT) : setProblem(inWords(error))),
    );
  };
  useEffect(() => {
    if (api) asked.current();
  }, [api]);

  const desk = useMemo<Desk | null>(
    () =>
      api &&
      me && {
        api,
        me,
        connection,
        reopen: () => setOpened((count) => count + 1),
        listen: (told) => {
          listeners.current.add(told);
          return () => listeners.current.delete(told);
        },
      },
    [api, me, connection],
  );
  if (desk === null) {
    return (
      <main className="door" aria-busy={problem === null}>
        {problem === null ? (
          <p className="quiet">
            <span className="spinner" aria-hidden="true" /> Opening the console …
          </p>
        ) : (
          <div className="empty" role="alert">
            <p>{problem}</p>
            <Button onClick={() => asked.current()}>Try again</Button>
          </div>
        )}
      </main>
    );
  }
  return <DeskContext value={desk}>{children}</DeskContext>;
}

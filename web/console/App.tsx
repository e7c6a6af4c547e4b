/** The console: the sign-in, or the desk of whoever is signed in. */

import { type ReactElement, useCallback, useEffect, useState } from 'react';
import type { Session } from '../shared/session.ts';
import { DeskOf, SIGNED_OUT } from './desk.tsx';
import { Shell } from './Shell.tsx';
import { SignIn } from './SignIn.tsx';

const SUSPENDED = 'Your account is suspended. While it is, it judges nothing.';

export function App({ session }: { readonly session: Session }): ReactElement {
  const [inside, setInside] = useState(session.scope === 'FULL');
  const [why, setWhy] = useState<string | null>(null);
  const leave = useCallback(
    (reason: string | null) => {
      session.scopeChanged = () => {};
      session.forget();
      setWhy(reason);
      setInside(false);
    },
    [session],
  );
  useEffect(() => {
    if (!inside) return;
    session.scopeChanged = (scope) => {
      if (scope !== 'FULL') leave(scope === null ? SIGNED_OUT : SUSPENDED);
    };
    return () => {
      session.scopeChanged = () => {};
    };
  }, [session, inside, leave]);
  const signOut = async (): Promise<void> => {
    session.scopeChanged = () => {};
    await session.signOut();
    leave(null);
  };
  if (inside) {
    return (
      <DeskOf session={session} onEnd={leave}>
        <Shell onSignOut={signOut} />
      </DeskOf>
    );
  }
  const entered = (): void => {
    if (session.scope === 'FULL') {
      setWhy(null);
      setInside(true);
    } else leave(SUSPENDED);
  };
  return <SignIn session={session} why={why} onDone={entered} />;
}

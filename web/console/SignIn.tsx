/** The door: an operator comes in with the token that the command line printed. */

import { type FormEvent, type ReactElement, useState } from 'react';
import { inWords } from '../shared/failures.ts';
import type { Session } from '../shared/session.ts';
import { Button } from '../shared/ui/Button.tsx';
import { TextField } from '../shared/ui/Field.tsx';
import { Info, Shield } from '../shared/ui/icons.tsx';
import { useOutcome } from '../shared/ui/outcome.ts';
import { useTitle } from './parts.tsx';

interface SignInProps {
  readonly session: Session;
  /** Why whoever was signed in is not any more. */
  readonly why: string | null;
  readonly onDone: () => void;
}

export function SignIn({ session, why, onDone }: SignInProps): ReactElement {
  const [token, setToken] = useState('');
  const { busy, problem, run } = useOutcome();
  useTitle('Sign in');
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const good = await run(async () => {
      if (token.trim() === '') return 'Paste the token first.';
      try {
        return (await session.signInOperator(token.trim()))
          ? null
          : 'This token is not good. It may have been replaced.';
      } catch (error) {
        return inWords(error);
      }
    });
    if (good) onDone();
  };
  return (
    <main className="door">
      <form className="door-card" onSubmit={submit}>
        <h1 className="door-title brand">
          <Shield /> Parley console
        </h1>
        {why && (
          <p className="note note-warn" role="alert">
            <Info />
            <span>{why}</span>
          </p>
        )}
        <TextField
          label="Operator token"
          type="password"
          autoComplete="off"
          spellCheck={false}
          autoFocus
          value={token}
          onChange={(event) => setToken(event.target.value)}
          problem={problem}
        />
        <Button tone="primary" submit busy={busy} className="door-button">
          Sign in
        </Button>
        <div className="door-help">
          <p>No token yet? Whoever runs the server makes one, at a terminal beside it:</p>
          <pre>
            <code>python -m api operator add NAME --role moderator</code>
          </pre>
          <p>
            <code>--role admin</code> also reads the audit log. The token signs in as often as you like, until it is
            replaced. This tab forgets you when it closes.
          </p>
        </div>
      </form>
    </main>
  );
}

/** The way in: what Parley is, a name, and how many people are there now. */

import './door.css';
import { type FormEvent, type ReactElement, useState } from 'react';
import { Button } from '../../shared/ui/Button.tsx';
import { Problem, TextField } from '../../shared/ui/Field.tsx';
import { Lock, Warning } from '../../shared/ui/icons.tsx';
import { useOutcome } from '../../shared/ui/outcome.ts';
import { Brand, Meeting } from './Brand.tsx';
import { useClient, useClientState } from './client.ts';
import { Heading } from './Heading.tsx';
import { counted } from './words.ts';

interface DoorProps {
  readonly problem: string | null;
  /** Somebody sent them a link to a room. */
  readonly invited: boolean;
}

export function Door({ problem, invited }: DoorProps): ReactElement {
  return (
    <>
      <main className="door">
        <div className="door-words">
          <Brand />
          <Heading title={invited ? 'You are invited' : 'Talk to somebody new'} className="door-heading">
            {invited ? 'Somebody is waiting for you.' : 'Talk to somebody you do not know yet.'}
          </Heading>
          <p className="door-lead">
            {invited
              ? 'You were invited to a room. Say what to call you; then look at the room before you enter.'
              : 'By video, by voice or in writing. No account, no history: a name, and off you go.'}
          </p>
          <SignIn problem={problem} invited={invited} />
          <Online />
          {!window.isSecureContext && (
            <p className="door-insecure">
              <Warning />
              <span>
                Calls and encryption need https, or localhost: over plain http a browser gives this page neither camera
                nor microphone, and anybody on the way can change it.
              </span>
            </p>
          )}
          <p className="door-privacy">
            <Lock />
            <span>
              Chat is encrypted end to end. Calls go directly between browsers, so a partner can see your IP address
              unless the operator of this server relays them.
            </span>
          </p>
        </div>
        <div className="door-picture">
          <Meeting />
        </div>
      </main>
      <Developers />
    </>
  );
}

function SignIn({ problem, invited }: DoorProps): ReactElement {
  const client = useClient();
  const outcome = useOutcome();
  const [name, setName] = useState('');
  const [missing, setMissing] = useState(false);
  const submitted = (event: FormEvent): void => {
    event.preventDefault();
    setMissing(name.trim() === '');
    if (name.trim() !== '') void outcome.run(() => client.signIn(name.trim()));
  };
  return (
    <form className="door-form" onSubmit={submitted} noValidate>
      <TextField
        label="What shall people call you?"
        value={name}
        onChange={(event) => setName(event.target.value)}
        placeholder="A first name will do"
        maxLength={40}
        autoComplete="nickname"
        enterKeyHint="go"
        required
        problem={missing ? 'Give a name, or make one up.' : null}
      />
      <Button tone="primary" size="large" submit busy={outcome.busy}>
        {invited ? 'Go on' : 'Come in'}
      </Button>
      <Problem text={outcome.problem ?? problem} />
    </form>
  );
}

function Online(): ReactElement {
  const { stats } = useClientState();
  return (
    <p className="door-online">
      {stats ? (
        <>
          <span className="live-dot" aria-hidden="true" />
          <span>
            <strong>{counted(stats.online, 'person', 'people')}</strong> online now
            {stats.inCall > 0 && `, ${counted(stats.inCall, 'one', 'of them')} talking`}
          </span>
        </>
      ) : (
        <span>&nbsp;</span>
      )}
    </p>
  );
}

/** For those who came to build. Only where the operator lets them explore the API. */
function Developers(): ReactElement | null {
  if (document.querySelector<HTMLMetaElement>('meta[name="parley-explore"]')?.content !== 'on') return null;
  return (
    <footer className="door-footer">
      <nav aria-label="For developers">
        <span>For developers</span>
        <a href="/graphiql">GraphiQL</a>
        <a href="/docs">Schema reference</a>
        <a href="/schema.graphql">schema.graphql</a>
      </nav>
    </footer>
  );
}

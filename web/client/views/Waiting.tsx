/** Waiting for a match: how long, for what, and among how many; and the way back. */

import './waiting.css';
import type { ReactElement } from 'react';
import { Avatar } from '../../shared/ui/Avatar.tsx';
import { Button } from '../../shared/ui/Button.tsx';
import { Problem } from '../../shared/ui/Field.tsx';
import { useOutcome } from '../../shared/ui/outcome.ts';
import type { Place, Preferences } from '../state.ts';
import { useClient, useClientState, useNow } from './client.ts';
import { Heading } from './Heading.tsx';
import { Header } from './lobby/Header.tsx';
import { SelfPreview } from './SelfPreview.tsx';
import { duration, elapsed, languageName } from './words.ts';

type WaitingPlace = Extract<Place, { at: 'waiting' }>;

const how = { VIDEO: 'to see and hear', AUDIO: 'to talk to', TEXT: 'to write with' };

export function Waiting({ place }: { readonly place: WaitingPlace }): ReactElement {
  const client = useClient();
  const { account } = useClientState();
  const outcome = useOutcome();
  const { preferences } = place;
  return (
    <>
      <Header />
      <main className="waiting">
        <div className="waiting-middle">
          <div className="ripples" aria-hidden="true">
            <span />
            <span />
            <span />
            <Avatar name={account?.displayName ?? '?'} className="avatar-big" />
          </div>
          <Heading title="Looking for somebody">Looking for somebody {how[preferences.mode]}…</Heading>
          <Time since={place.since} />
          <HoldingOut preferences={preferences} widensAt={place.widensAt} />
          <Button size="large" busy={outcome.busy} onClick={() => void outcome.run(() => client.leaveQueue())}>
            Cancel
          </Button>
          <Problem text={outcome.problem} />
        </div>
        {preferences.mode !== 'TEXT' && (
          <div className="waiting-preview">
            <SelfPreview mode={preferences.mode} />
          </div>
        )}
      </main>
    </>
  );
}

function Time({ since }: { readonly since: Date }): ReactElement {
  return (
    <p className="waiting-time">
      <span className="visually-hidden">Waiting for </span>
      {elapsed(since, useNow(500))}
    </p>
  );
}

interface HoldingOutProps {
  readonly preferences: Preferences;
  readonly widensAt: Date;
}

function HoldingOut({ preferences, widensAt }: HoldingOutProps): ReactElement {
  const left = Math.ceil((widensAt.getTime() - useNow(500).getTime()) / 1000);
  const wanted = [...preferences.interests, ...preferences.languages.map(languageName)];
  if (wanted.length === 0) return <p className="muted">Anyone who wants the same will do.</p>;
  return (
    <div className="holding">
      <p className="muted">
        {left > 0 ? 'Holding out for somebody who shares' : 'Best somebody who shares, but anyone will do'}
      </p>
      <ul className="chips">
        {wanted.map((one) => (
          <li key={one} className="chip">
            <bdi>{one}</bdi>
          </li>
        ))}
      </ul>
      <p className="muted small">{left > 0 ? `In ${duration(left)}, anyone will do.` : '\u00a0'}</p>
    </div>
  );
}

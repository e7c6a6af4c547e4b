/** What to ask of a partner: how to talk, about what, in which languages, and how long to hold out for it. */

import { type FormEvent, type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Problem } from '../../../shared/ui/Field.tsx';
import { Camera, Chat, type Icon, Microphone } from '../../../shared/ui/icons.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Mode } from '../../state.ts';
import { useClient, useClientState } from '../client.ts';
import { duration } from '../words.ts';
import { Interests } from './Interests.tsx';
import { Languages } from './Languages.tsx';

const modes: readonly { mode: Mode; label: string; hint: string; icon: Icon }[] = [
  { mode: 'VIDEO', label: 'Video', hint: 'See and hear each other', icon: Camera },
  { mode: 'AUDIO', label: 'Voice', hint: 'Just talk', icon: Microphone },
  { mode: 'TEXT', label: 'Text', hint: 'Write, encrypted', icon: Chat },
];

interface MeetFormProps {
  readonly mode: Mode;
  readonly onMode: (mode: Mode) => void;
}

export function MeetForm({ mode, onMode }: MeetFormProps): ReactElement {
  const client = useClient();
  const { preferences, stats, suspensions } = useClientState();
  const [interests, setInterests] = useState(preferences.interests);
  const [languages, setLanguages] = useState(preferences.languages);
  const [patience, setPatience] = useState(preferences.patience);
  const outcome = useOutcome();
  const held = suspensions.some((one) => one.liftedAt === null && (one.endsAt === null || one.endsAt > new Date()));
  const choosy = interests.length > 0 || languages.length > 0;
  const submitted = (event: FormEvent): void => {
    event.preventDefault();
    void outcome.run(() => client.joinQueue({ mode, interests, languages, patience }));
  };
  return (
    <form className="meet" onSubmit={submitted}>
      <fieldset className="modes">
        <legend>How would you like to talk?</legend>
        {modes.map(({ mode: value, label, hint, icon: Icon }) => (
          <label key={value} className="mode">
            <input type="radio" name="mode" value={value} checked={mode === value} onChange={() => onMode(value)} />
            <Icon />
            <span className="mode-label">{label}</span>
            <span className="mode-hint">{hint}</span>
          </label>
        ))}
      </fieldset>
      <Interests value={interests} onChange={setInterests} />
      <Languages value={languages} onChange={setLanguages} />
      <Patience value={patience} onChange={setPatience} choosy={choosy} />
      <div className="meet-start">
        <Button tone="primary" size="large" submit busy={outcome.busy} disabled={held}>
          Meet somebody
        </Button>
        <p className="muted small">
          {stats?.medianWaitSeconds === null || stats === null
            ? 'You can leave at any moment.'
            : `People wait about ${duration(Math.max(1, stats.medianWaitSeconds))}.`}
        </p>
        <Problem text={outcome.problem} />
      </div>
    </form>
  );
}

interface PatienceProps {
  readonly value: number;
  readonly onChange: (seconds: number) => void;
  /** There is something to hold out for. */
  readonly choosy: boolean;
}

function Patience({ value, onChange, choosy }: PatienceProps): ReactElement {
  const words = value === 0 ? 'do not hold out' : duration(value);
  return (
    <div className="field patience">
      <label htmlFor="patience">
        Hold out for a good match <output className="patience-value">{words}</output>
      </label>
      <input
        id="patience"
        type="range"
        min={0}
        max={120}
        step={5}
        value={value}
        disabled={!choosy}
        aria-valuetext={words}
        aria-describedby="patience-hint"
        onChange={(event) => onChange(Number(event.target.value))}
      />
      <p id="patience-hint" className="hint">
        {!choosy && 'Add an interest or a language, and Parley looks for somebody who shares it first.'}
        {choosy && value === 0 && 'Whoever is there first will do, whatever they like to talk about.'}
        {choosy && value > 0 && `Somebody who shares what you chose for ${words}; after that, anyone will do.`}
      </p>
    </div>
  );
}

/** What a suspension takes away, and for how long. */

import type { ReactElement } from 'react';
import { Select, TextField } from '../../shared/ui/Field.tsx';
import { useDesk } from '../desk.tsx';
import type { SuspensionScope } from '../generated.ts';
import { hoursWords, type Step } from '../words.ts';
import { type Draft, LENGTHS, type Length, mayBePermanent, suggestedLength } from './verdict.ts';

interface TakesProps {
  readonly draft: Draft;
  readonly step: Step | null;
  readonly problem: string | undefined;
  readonly onChange: (part: Partial<Draft>) => void;
}

export function Takes({ draft, step, problem, onChange }: TakesProps): ReactElement {
  const { me } = useDesk();
  const permanent = mayBePermanent(me.role, step);
  const suggested = suggestedLength(step);
  const label = (length: Length): string => {
    if (length === 'other') return 'Other …';
    const words = length === 'permanent' ? 'For good' : hoursWords(Number(length));
    return length === suggested ? `${words} (the ladder’s)` : words;
  };
  const lengths = LENGTHS.filter((length) => length !== 'permanent' || permanent);
  return (
    <div className="takes">
      <Select
        label="Takes away"
        value={draft.scope}
        options={[
          { value: 'ALL', label: 'Everything' },
          { value: 'MATCHING', label: 'Meeting strangers' },
        ]}
        onChange={(scope) => onChange({ scope: scope as SuspensionScope })}
      />
      <Select
        label="For how long"
        value={draft.length}
        options={lengths.map((length) => ({ value: length, label: label(length) }))}
        onChange={(length) => onChange({ length: length as Length })}
        hint={permanent ? undefined : 'For good: by an admin, or where the ladder has it.'}
      />
      {draft.length === 'other' && (
        <TextField
          label="Hours"
          inputMode="numeric"
          value={draft.hours}
          onChange={(event) => onChange({ hours: event.target.value })}
          problem={problem}
        />
      )}
    </div>
  );
}

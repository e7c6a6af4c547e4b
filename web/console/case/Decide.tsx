/** Deciding a case: dismiss, warn or suspend, preset by the ladder, with the reasons that the subject reads. */

import { type FormEvent, type ReactElement, useEffect, useId, useState } from 'react';
import { Button } from '../../shared/ui/Button.tsx';
import { Select, TextArea } from '../../shared/ui/Field.tsx';
import { useDesk } from '../desk.tsx';
import { type CaseDecision, DecideCaseDocument, type ReportCategory } from '../generated.ts';
import { useNow } from '../parts.tsx';
import { CATEGORY, DECISION, stepWords } from '../words.ts';
import { act } from './acting.ts';
import type { File } from './CaseView.tsx';
import { held } from './Claim.tsx';
import { ConfirmDecision, Preview } from './Preview.tsx';
import { Takes } from './Takes.tsx';
import { template } from './templates.ts';
import { type Draft, drafted, faults, input, LONGEST_REASON, sentence } from './verdict.ts';

const DECISIONS: readonly CaseDecision[] = ['DISMISS', 'WARN', 'SUSPEND'];
const MEANS: Readonly<Record<CaseDecision, string>> = {
  DISMISS: 'No reason to act. Holds end at once; the reporters’ words weigh less.',
  WARN: 'They are told, and nothing is taken away.',
  SUSPEND: 'Something is taken away, for a while or for good.',
};

interface DecideProps {
  readonly file: File;
  readonly reload: () => Promise<void>;
  readonly onRefused: (why: string | null) => void;
}

export function Decide({ file, reload, onRefused }: DecideProps): ReactElement {
  const desk = useDesk();
  const now = useNow(1000);
  const mine = held(file, now) && file.claimedBy?.id === desk.me.id;
  const [draft, setDraft] = useState<Draft>(() => drafted(file.suggestion));
  const [touched, setTouched] = useState(false);
  const [tried, setTried] = useState(false);
  const [confirming, setConfirming] = useState(false);
  const step = JSON.stringify(file.suggestion);
  useEffect(() => {
    // What the ladder has may change while the case is open; what somebody chose stays.
    if (!touched) setDraft(({ reason }) => ({ ...drafted(JSON.parse(step)), reason }));
  }, [step, touched]);
  const change = (part: Partial<Draft>): void => {
    if (!('reason' in part)) setTouched(true);
    setDraft((before) => ({ ...before, ...part }));
  };
  const wrong = faults(draft);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(wrong).length === 0) setConfirming(true);
  };
  const decide = async (): Promise<string | null> => {
    const why = await act(desk, DecideCaseDocument, { input: input(file.id, draft) }, reload);
    onRefused(why);
    return why;
  };
  return (
    <section className="block" aria-labelledby="decide-title">
      <div className="block-head">
        <h3 id="decide-title">Decide</h3>
        {file.suggestion && (
          <p className="suggestion">
            The ladder’s next step: <strong>{stepWords(file.suggestion)}</strong>
          </p>
        )}
      </div>
      {!mine && <p className="quiet">Claim the case to decide it. You can prepare the decision before.</p>}
      <form className="decide" onSubmit={submit} noValidate>
        <Choices draft={draft} suggested={file.suggestion?.decision ?? null} onChange={change} />
        {draft.decision === 'SUSPEND' && (
          <Takes draft={draft} step={file.suggestion} problem={tried ? wrong.hours : undefined} onChange={change} />
        )}
        <Start decision={draft.decision} reason={draft.reason} onStart={(reason) => change({ reason })} />
        <TextArea
          label="Statement of reasons"
          hint={`The subject reads it: what they did, which rule forbids it. Name nobody, quote nothing that tells who reported. ${[...draft.reason].length} of ${LONGEST_REASON} characters.`}
          rows={4}
          value={draft.reason}
          onChange={(event) => change({ reason: event.target.value })}
          problem={tried ? wrong.reason : undefined}
        />
        <Preview draft={draft} />
        <div className="decide-foot">
          <Button tone={draft.decision === 'SUSPEND' ? 'danger' : 'primary'} submit disabled={!mine}>
            {sentence(draft, file.subject.displayName)} …
          </Button>
        </div>
      </form>
      {confirming && mine && (
        <ConfirmDecision
          draft={draft}
          name={file.subject.displayName}
          onConfirm={decide}
          onClose={() => setConfirming(false)}
        />
      )}
    </section>
  );
}

interface ChoicesProps {
  readonly draft: Draft;
  readonly suggested: CaseDecision | null;
  readonly onChange: (part: Partial<Draft>) => void;
}

function Choices({ draft, suggested, onChange }: ChoicesProps): ReactElement {
  const name = useId();
  return (
    <fieldset className="choices">
      <legend className="field-label">Decision</legend>
      {DECISIONS.map((decision) => (
        <label key={decision} className="choice">
          <input
            type="radio"
            name={name}
            checked={draft.decision === decision}
            onChange={() => onChange({ decision })}
          />
          <span>
            <strong>{DECISION[decision]}</strong>
            {decision === suggested && <span className="chip chip-mine">suggested</span>}
            <small>{MEANS[decision]}</small>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

interface StartProps {
  readonly decision: CaseDecision;
  readonly reason: string;
  readonly onStart: (reason: string) => void;
}

/** Puts the beginning of a statement into the field; what somebody has written themselves is kept above it. */
function Start({ decision, reason, onStart }: StartProps): ReactElement {
  const [last, setLast] = useState('');
  const start = (category: string): void => {
    if (category === '') return;
    const text = template(category as ReportCategory, decision);
    setLast(text);
    onStart(reason.trim() === '' || reason === last ? text : `${reason.trimEnd()}\n\n${text}`);
  };
  const options = Object.entries(CATEGORY).map(([value, label]) => ({ value, label }));
  return (
    <Select
      label="Start from a template"
      value=""
      options={[{ value: '', label: 'Choose a category …' }, ...options]}
      onChange={start}
    />
  );
}

/** What a report says: what it is about, in the reporter's words, and which messages prove it. */

import { type FormEvent, type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Problem, TextArea } from '../../../shared/ui/Field.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Category } from '../../state.ts';
import { useClient } from '../client.ts';
import { timeOfDay } from '../words.ts';
import { CATEGORIES } from './categories.ts';
import type { Subject } from './Report.tsx';

const MOST_MESSAGES = 20;

interface ReportFormProps {
  readonly subject: Subject;
  readonly onSent: () => void;
  readonly onClose: () => void;
}

export function ReportForm({ subject, onSent, onClose }: ReportFormProps): ReactElement {
  const client = useClient();
  const [category, setCategory] = useState<Category | null>(null);
  const [comment, setComment] = useState('');
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const outcome = useOutcome();
  const submitted = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const sent = await outcome.run(() =>
      category
        ? client.report(subject.memberId, category, comment.trim(), chosen)
        : Promise.resolve('Choose what it is about.'),
    );
    if (sent) onSent();
  };
  return (
    <form className="form" onSubmit={submitted}>
      <fieldset className="categories">
        <legend>What is it about?</legend>
        {CATEGORIES.map(({ value, label, hint }) => (
          <label key={value} className="category">
            <input
              type="radio"
              name="category"
              value={value}
              checked={category === value}
              onChange={() => setCategory(value)}
            />
            <span>
              <span className="category-label">{label}</span>
              <span className="muted small">{hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <TextArea
        label="What happened? (optional)"
        value={comment}
        onChange={(event) => setComment(event.target.value)}
        maxLength={2000}
        rows={3}
        hint="Moderators see neither your call nor your chat: your words help."
      />
      <Proof subject={subject} chosen={chosen} onChange={setChosen} />
      {subject.match && <p className="report-ends">Sending the report ends this call.</p>}
      <Problem text={outcome.problem} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button tone="danger" submit busy={outcome.busy}>
          Send the report
        </Button>
      </div>
    </form>
  );
}

interface ProofProps {
  readonly subject: Subject;
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[]) => void;
}

function Proof({ subject, chosen, onChange }: ProofProps): ReactElement | null {
  if (subject.provable.length === 0) return null;
  const toggle = (id: string): void =>
    onChange(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  return (
    <fieldset className="proof">
      <legend>Messages as proof (optional)</legend>
      <p className="muted small">
        The messages that you tick are shown to moderators, with a proof that {subject.displayName} wrote them. Nothing
        else of your chat is disclosed, and none of what you wrote.
      </p>
      <div className="proof-list">
        {subject.provable.map((message) => (
          <label key={message.id}>
            <input
              type="checkbox"
              checked={chosen.includes(message.id)}
              disabled={!chosen.includes(message.id) && chosen.length >= MOST_MESSAGES}
              onChange={() => toggle(message.id)}
            />
            <span dir="auto" className="proof-text">
              {message.text}
            </span>
            <time className="muted small" dateTime={message.sentAt.toISOString()}>
              {timeOfDay(message.sentAt)}
            </time>
          </label>
        ))}
      </div>
      {chosen.length >= MOST_MESSAGES && <p className="muted small">{MOST_MESSAGES} is the most.</p>}
    </fieldset>
  );
}

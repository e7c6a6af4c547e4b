/** What the subject will read, before it is decided. */

import type { ReactElement } from 'react';
import { Confirm } from '../../shared/ui/Dialog.tsx';
import { atWords, SCOPE } from '../words.ts';
import { type Draft, input, sentence } from './verdict.ts';

export function Preview({ draft }: { readonly draft: Draft }): ReactElement {
  return (
    <figure className="preview">
      <figcaption>{draft.decision === 'DISMISS' ? 'What is kept with the case' : 'What they will read'}</figcaption>
      <Text draft={draft} />
    </figure>
  );
}

function Text({ draft }: { readonly draft: Draft }): ReactElement {
  const reason = draft.reason.trim();
  return (
    <>
      {draft.decision === 'WARN' && <p>You were warned. Nothing was taken away.</p>}
      {draft.decision === 'SUSPEND' && <p>{suspended(draft)}</p>}
      {draft.decision === 'DISMISS' && <p className="quiet">They read it only if they appealed against a hold.</p>}
      <p className="preview-reason" dir="auto">
        {reason === '' ? <span className="quiet">The statement of reasons stands here.</span> : reason}
      </p>
      {draft.decision === 'SUSPEND' && <p className="quiet">You may appeal once. Somebody else will decide it.</p>}
    </>
  );
}

function suspended(draft: Draft): string {
  const { duration } = input('', draft);
  const hours = duration?.hours;
  const end = hours ? `until ${atWords(new Date(Date.now() + hours * 3_600_000).toISOString())}` : 'for good';
  return `You are suspended from ${SCOPE[draft.scope]} ${end}.`;
}

interface ConfirmProps {
  readonly draft: Draft;
  readonly name: string;
  readonly onConfirm: () => Promise<string | null>;
  readonly onClose: () => void;
}

export function ConfirmDecision({ draft, name, onConfirm, onClose }: ConfirmProps): ReactElement {
  return (
    <Confirm
      title={`${sentence(draft, name)}?`}
      action={ACTION[draft.decision]}
      onConfirm={onConfirm}
      onClose={onClose}
    >
      <div className="preview">
        <Text draft={draft} />
      </div>
      {draft.decision === 'SUSPEND' && draft.scope === 'ALL' && (
        <p className="quiet">Their connections close within two seconds, on their device too.</p>
      )}
    </Confirm>
  );
}

const ACTION = { DISMISS: 'Dismiss', WARN: 'Warn', SUSPEND: 'Suspend' } as const;

/**
 * The report dialog. It lives above the views, for a report ends the match that it was made from, and what comes after it (blocking) has to
 * outlast that.
 */

import './report.css';
import { createContext, type ReactElement, type ReactNode, useContext, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Dialog } from '../../../shared/ui/Dialog.tsx';
import { Problem } from '../../../shared/ui/Field.tsx';
import { Check } from '../../../shared/ui/icons.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Met } from '../../state.ts';
import { useClient } from '../client.ts';
import { ReportForm } from './ReportForm.tsx';

/** Whom a report is about. */
export interface Subject extends Pick<Met, 'memberId' | 'displayName' | 'provable'> {
  /** In a match with the viewer, which ends by the report. */
  readonly match: boolean;
}

type Ask = (subject: Subject) => void;

const ReportContext = createContext<Ask>(() => undefined);

/** Opens the dialog. */
export const useReport = (): Ask => useContext(ReportContext);

export function ReportProvider({ children }: { readonly children: ReactNode }): ReactElement {
  const [subject, setSubject] = useState<Subject | null>(null);
  return (
    <ReportContext value={setSubject}>
      {children}
      {subject && <ReportDialog subject={subject} onClose={() => setSubject(null)} />}
    </ReportContext>
  );
}

function ReportDialog({ subject, onClose }: { readonly subject: Subject; readonly onClose: () => void }): ReactElement {
  const [sent, setSent] = useState(false);
  return sent ? (
    <Sent subject={subject} onClose={onClose} />
  ) : (
    <Dialog title={`Report ${subject.displayName}`} onClose={onClose} wide>
      <ReportForm subject={subject} onSent={() => setSent(true)} onClose={onClose} />
    </Dialog>
  );
}

function Sent({ subject, onClose }: { readonly subject: Subject; readonly onClose: () => void }): ReactElement {
  const client = useClient();
  const outcome = useOutcome();
  return (
    <Dialog title="Thank you" onClose={onClose}>
      <div className="report-sent" role="status">
        <span className="report-check">
          <Check />
        </span>
        <p>
          A moderator will look at it. {subject.displayName} is not told who reported, and you are not matched with each
          other for a while.
        </p>
      </div>
      <p>Would you also like to block {subject.displayName}, so that you never meet again?</p>
      <Problem text={outcome.problem} />
      <div className="dialog-actions">
        <Button onClick={onClose}>No, that is all</Button>
        <Button
          tone="danger"
          busy={outcome.busy}
          onClick={async () => (await outcome.run(() => client.block(subject.memberId))) && onClose()}
        >
          Block
        </Button>
      </div>
    </Dialog>
  );
}

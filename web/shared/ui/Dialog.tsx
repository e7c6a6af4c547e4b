/** A modal dialog on the browser's own `<dialog>`: it holds the focus, closes on Escape and gives the focus back. */

import './dialog.css';
import { type ReactElement, type ReactNode, useEffect, useId, useRef } from 'react';
import { Button, IconButton } from './Button.tsx';
import { Problem } from './Field.tsx';
import { Close } from './icons.tsx';
import { useOutcome } from './outcome.ts';

interface DialogProps {
  readonly title: string;
  /** Called once it is to go: the caller then stops rendering it. */
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ReactNode;
}

/** Open for as long as it is rendered. */
export function Dialog({ title, onClose, wide = false, children }: DialogProps): ReactElement {
  const ref = useRef<HTMLDialogElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  const heading = useId();
  useEffect(() => {
    const dialog = ref.current!;
    const before = document.activeElement;
    const outside = (event: MouseEvent): void => {
      if (event.target === dialog) close.current();
    };
    const cancelled = (event: Event): void => {
      if (event.target !== dialog) return; // a file picker inside says `cancel` too
      event.preventDefault();
      close.current();
    };
    dialog.addEventListener('mousedown', outside);
    dialog.addEventListener('cancel', cancelled);
    dialog.showModal();
    // What one came for, rather than the button that closes; of a question, the harmless answer.
    dialog.querySelector<HTMLElement>('input:enabled, textarea, select:enabled, .dialog-actions .button')?.focus();
    return () => {
      dialog.removeEventListener('mousedown', outside);
      dialog.removeEventListener('cancel', cancelled);
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={ref} className={wide ? 'dialog dialog-wide' : 'dialog'} aria-labelledby={heading}>
      <div className="dialog-box">
        <div className="dialog-head">
          <h2 id={heading}>{title}</h2>
          <IconButton label="Close" icon={Close} onClick={onClose} />
        </div>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly children: ReactNode;
  /** The words on the button, such as "Close the room". */
  readonly action: string;
  readonly onConfirm: () => Promise<string | null>;
  readonly onClose: () => void;
}

/** Asks before what cannot be undone. It closes after success and shows what went wrong otherwise. */
export function Confirm({ title, children, action, onConfirm, onClose }: ConfirmProps): ReactElement {
  const { busy, problem, run } = useOutcome();
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="dialog-body">{children}</div>
      <Problem text={problem} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button tone="danger" busy={busy} onClick={async () => (await run(onConfirm)) && onClose()}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}

/** Skipping: at once by the button, by Escape pressed twice, for one press is easily made for something else. */

import { useEffect, useRef, useState } from 'react';
import { type Outcomes, useOutcome } from '../../../shared/ui/outcome.ts';
import { useClient } from '../client.ts';

/** How long the first press counts, in milliseconds. */
const SURE = 3000;

export interface Skip extends Outcomes {
  /** Escape was pressed once: the next skips. */
  readonly asked: boolean;
  readonly now: () => void;
}

/** Listens to Escape while `on`. An open dialog, menu or list of choices has the key for itself. */
export function useSkip(on: boolean): Skip {
  const client = useClient();
  const outcome = useOutcome();
  const [asked, setAsked] = useState(false);
  const now = (): void => void outcome.run(() => client.skip());
  const latest = useRef({ asked, now });
  latest.current = { asked, now };
  useEffect(() => {
    if (!on) return;
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented || event.repeat || event.isComposing) return;
      if (document.querySelector('dialog[open], :popover-open')) return;
      event.preventDefault();
      if (latest.current.asked) latest.current.now();
      setAsked(!latest.current.asked);
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [on]);
  useEffect(() => {
    if (!asked) return;
    const timer = setTimeout(() => setAsked(false), SURE);
    return () => clearTimeout(timer);
  }, [asked]);
  return { ...outcome, asked, now };
}

/** Runs an action of a form: whether it is under way, and what went wrong, for a person. */

import { useRef, useState } from 'react';

export interface Outcomes {
  readonly busy: boolean;
  readonly problem: string | null;
  /** Whether it succeeded; false as well while another is under way. `action` resolves with null on success, else with words. */
  readonly run: (action: () => Promise<string | null>) => Promise<boolean>;
  readonly forget: () => void;
}

export function useOutcome(): Outcomes {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const running = useRef(false); // state lags behind a double click
  const run = async (action: () => Promise<string | null>): Promise<boolean> => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setProblem(null);
    try {
      const wrong = await action();
      setProblem(wrong);
      return wrong === null;
    } catch {
      setProblem('That did not work. Try again in a moment.');
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { busy, problem, run, forget: () => setProblem(null) };
}

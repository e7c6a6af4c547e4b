/** Small things that every view of the console uses: times, and what to show instead of nothing. */

import { type ReactElement, type ReactNode, useEffect, useState } from 'react';
import { Button } from '../shared/ui/Button.tsx';
import { Warning } from '../shared/ui/icons.tsx';
import { ageWords, atWords } from './words.ts';

/** This device's clock, every so many milliseconds. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** How long ago, with the exact time as its title. */
export function Ago({ at, now }: { readonly at: string; readonly now: number }): ReactElement {
  return (
    <time dateTime={at} title={atWords(at)}>
      {ageWords(at, now)}
    </time>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Parley console`;
  }, [title]);
}

export function Loading({ what }: { readonly what: string }): ReactElement {
  return (
    <p className="quiet loading" role="status">
      <span className="spinner" aria-hidden="true" /> Loading {what} …
    </p>
  );
}

export function Failed({ problem, onRetry }: { readonly problem: string; readonly onRetry: () => void }): ReactElement {
  return (
    <div className="failed" role="alert">
      <p>
        <Warning />
        <span>{problem}</span>
      </p>
      <Button size="small" onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }): ReactElement {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children && <p className="quiet">{children}</p>}
    </div>
  );
}

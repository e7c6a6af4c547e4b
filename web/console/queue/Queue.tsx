/** A list of cases, the most urgent first, with its filters and keys. */

import { type KeyboardEvent, type ReactElement, useEffect, useRef } from 'react';
import { Button } from '../../shared/ui/Button.tsx';
import type { Counts } from '../counts.ts';
import { Empty, Failed, Loading, useNow, useTitle } from '../parts.tsx';
import { link } from '../route.ts';
import { plural } from '../words.ts';
import { FILTERS, type Filter, type List } from './filters.ts';
import { useCaseList } from './list.ts';
import { Row } from './Row.tsx';

interface QueueProps {
  readonly list: List;
  readonly filter: Filter;
  /** The case that is open beside it. */
  readonly open: string | null;
  readonly counts: Counts | null;
}

export function Queue({ list, filter, open, counts }: QueueProps): ReactElement {
  const { rows, gone, fresh, problem, loading, more, loadMore, reload, read, show } = useCaseList(filter);
  const now = useNow(15_000);
  const box = useRef<HTMLOListElement>(null);
  const pane = useRef<HTMLElement>(null);
  const title = list === 'cases' ? 'Queue' : 'Appeals';
  const waiting = counts && (list === 'cases' ? counts.open : counts.appealed);
  useTitle(waiting?.count ? `(${waiting.text}) ${title}` : title);
  useKeys(box);

  // It is read while the pointer or the focus is in it, or it is scrolled.
  const over = useRef(false);
  const settle = (): void => {
    const focused = box.current?.contains(document.activeElement) ?? false;
    read(over.current || focused || (pane.current?.scrollTop ?? 0) > 0);
  };
  const hover = (inside: boolean) => () => {
    over.current = inside;
    settle();
  };
  return (
    <section className="pane-list" aria-labelledby="list-title" ref={pane} onScroll={settle}>
      <div className="list-head">
        <h1 id="list-title">{title}</h1>
        <div className="fresh" role="status">
          {fresh > 0 && (
            <button type="button" onClick={show}>
              {plural(fresh, 'new case')} · show
            </button>
          )}
        </div>
        <div className="filters">
          {FILTERS[list].map((each) => (
            <a
              key={each.name}
              className="pill"
              href={link(list, { show: each.name })}
              aria-current={each === filter ? 'true' : undefined}
            >
              {each.label} {counts && each.counted && <Total counts={counts} of={each.counted} />}
            </a>
          ))}
        </div>
      </div>
      {problem && <Failed problem={problem} onRetry={reload} />}
      {rows === null && loading && <Loading what="cases" />}
      {rows?.length === 0 && !problem && <Empty title={filter.empty} />}
      <ol
        className="rows"
        ref={box}
        onPointerEnter={hover(true)}
        onPointerLeave={hover(false)}
        onFocus={settle}
        onBlur={() => setTimeout(settle)} // the focus has not arrived elsewhere yet
      >
        {rows?.map((row) => (
          <Row
            key={row.id}
            row={row}
            now={now}
            href={link(list, { id: row.id, show: filter === FILTERS[list][0] ? null : filter.name })}
            open={row.id === open}
            gone={gone.has(row.id)}
          />
        ))}
      </ol>
      {more && (
        <p className="list-more">
          <Button size="small" busy={loading} onClick={loadMore}>
            Load more
          </Button>
        </p>
      )}
      {rows !== null && rows.length > 0 && (
        <p className="keys quiet">
          <kbd>j</kbd> <kbd>k</kbd> or <kbd>↓</kbd> <kbd>↑</kbd> move · <kbd>Enter</kbd> opens
        </p>
      )}
    </section>
  );
}

function Total({ counts, of }: { readonly counts: Counts; readonly of: NonNullable<Filter['counted']> }): ReactElement {
  const sum = of.reduce((all, name) => all + counts[name].count, 0);
  const open = of.some((name) => counts[name].text.endsWith('+'));
  return (
    <span className="count">
      {sum}
      {open && '+'}
    </span>
  );
}

/** `j` and `k` from anywhere where nobody types, arrows within the list. */
function useKeys(box: React.RefObject<HTMLOListElement | null>): void {
  useEffect(() => {
    const pressed = (event: globalThis.KeyboardEvent | KeyboardEvent): void => {
      if (
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        document.querySelector('dialog[open], [popover]:popover-open')
      )
        return;
      const active = document.activeElement as HTMLElement | null;
      if (active?.closest('input, textarea, select, [role=slider]')) return;
      const links = [...(box.current?.querySelectorAll<HTMLElement>('a') ?? [])];
      const at = links.indexOf(active!);
      const arrows = at === -1 ? {} : { ArrowDown: 1, ArrowUp: -1 };
      const step = ({ j: 1, k: -1, ...arrows } as Record<string, number>)[event.key];
      if (step === undefined || links.length === 0) return;
      event.preventDefault();
      const opened = links.findIndex((each) => each.getAttribute('aria-current') === 'true');
      const from = at === -1 ? opened : at;
      links[Math.min(links.length - 1, Math.max(0, from === -1 ? 0 : from + step))]!.focus();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, [box]);
}

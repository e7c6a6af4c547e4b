/** The frame around the views: where one is, what waits, who is signed in, and whether the connection stands. */

import { type ReactElement, useEffect, useRef, useState } from 'react';
import { Button } from '../shared/ui/Button.tsx';
import { Person, Shield, SignOut, Warning } from '../shared/ui/icons.tsx';
import { Menu } from '../shared/ui/Menu.tsx';
import { Audit } from './audit/Audit.tsx';
import { CaseView } from './case/CaseView.tsx';
import { type Counts, useCounts } from './counts.ts';
import { Dashboard } from './dashboard/Dashboard.tsx';
import { useCaseEvents, useDesk } from './desk.tsx';
import { FILTERS, type List } from './queue/filters.ts';
import { Queue } from './queue/Queue.tsx';
import { link, type Route, useRoute, type View } from './route.ts';
import { charges, grounds, urgency } from './words.ts';

const NAMES: Readonly<Record<View, string>> = {
  cases: 'Queue',
  appeals: 'Appeals',
  dashboard: 'Dashboard',
  audit: 'Audit log',
};

const ROLE = { ADMIN: 'admin', MODERATOR: 'moderator' } as const;

/** How long an urgent case is told of. */
const SAID_MS = 10_000;

export function Shell({ onSignOut }: { readonly onSignOut: () => Promise<void> }): ReactElement {
  const { me, connection, reopen } = useDesk();
  const route = useRoute();
  const counts = useCounts();
  const views: View[] = ['cases', 'appeals', 'dashboard', ...(me.role === 'ADMIN' ? (['audit'] as const) : [])];
  return (
    <div className={route.view === 'cases' || route.view === 'appeals' ? 'shell' : 'shell shell-long'}>
      <header className="bar">
        <p className="bar-brand brand">
          <Shield /> <span>Parley</span>
        </p>
        <nav className="tabs" aria-label="Views">
          {views.map((view) => (
            <a
              key={view}
              className="tab"
              href={link(view)}
              aria-current={route.view === view ? (route.id === null ? 'page' : 'true') : undefined}
            >
              {NAMES[view]}
              <Badge view={view} counts={counts} />
            </a>
          ))}
        </nav>
        <Menu
          label={`Signed in as ${me.name} ${ROLE[me.role]}`}
          className="bar-me"
          items={[{ label: 'Sign out', icon: SignOut, onSelect: () => void onSignOut() }]}
        >
          <Person />
          <span className="bar-name">
            {me.name} <small>{ROLE[me.role]}</small>
          </span>
        </Menu>
      </header>
      <div className="toasts">
        <div role="status">
          {connection === 'lost' && (
            <p className="toast">
              <Warning /> The connection is lost. Trying again; what you see may be old.
            </p>
          )}
          {connection === 'replaced' && (
            <p className="toast">
              <Warning /> This tab is not told any more: others took its place.
              <Button size="small" onClick={reopen}>
                Connect here
              </Button>
            </p>
          )}
        </div>
        <Announcer />
      </div>
      <Body route={route} counts={counts} />
    </div>
  );
}

function Body({ route, counts }: { readonly route: Route; readonly counts: Counts | null }): ReactElement {
  const { me } = useDesk();
  if (route.view === 'dashboard') return <Dashboard show={route.show} />;
  if (route.view === 'audit') {
    if (me.role === 'ADMIN') return <Audit />;
    return (
      <main className="page">
        <h1>Audit log</h1>
        <p>Only admins read the audit log.</p>
      </main>
    );
  }
  const list: List = route.view;
  const filter = FILTERS[list].find(({ name }) => name === route.show) ?? FILTERS[list][0]!;
  return (
    <main className={route.id === null ? 'panes' : 'panes panes-open'}>
      <Queue key={`${list} ${filter.name}`} list={list} filter={filter} open={route.id} counts={counts} />
      <h1 className="narrow-title visually-hidden">{NAMES[list]}</h1>
      <section className="pane-case" aria-label="Case">
        {route.id === null ? (
          <p className="pane-nothing quiet">Choose a case to read it here.</p>
        ) : (
          <CaseView key={route.id} id={route.id} back={link(list, { show: route.show })} />
        )}
      </section>
    </main>
  );
}

function Badge({ view, counts }: { readonly view: View; readonly counts: Counts | null }): ReactElement | null {
  const count = view === 'cases' ? counts?.open : view === 'appeals' ? counts?.appealed : undefined;
  if (!count || count.count === 0) return null;
  const urgent = view === 'cases' && (counts?.urgent ?? 0) > 0;
  return (
    <span className={urgent ? 'badge badge-urgent' : 'badge'}>
      {count.text}
      <span className="visually-hidden">{urgent ? `, ${counts?.urgent} of them urgent` : ' waiting'}</span>
    </span>
  );
}

/** Says when a case has come that cannot wait, whichever view is open. */
function Announcer(): ReactElement {
  const [said, setSaid] = useState('');
  const known = useRef(new Set<string>());
  useCaseEvents((changed) => {
    if (changed?.status !== 'OPEN' || known.current.has(changed.id)) return;
    known.current.add(changed.id);
    if (urgency(changed.priority) !== 'urgent') return;
    const about = [charges(changed.reports).categories, grounds(changed.priority)].filter(Boolean).join(', ');
    setSaid(`A new urgent case: ${about}.`);
  });
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => setSaid(''), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <div role="status">
      {said && (
        <a className="toast toast-urgent" href={link('cases')}>
          <Warning /> {said}
        </a>
      )}
    </div>
  );
}

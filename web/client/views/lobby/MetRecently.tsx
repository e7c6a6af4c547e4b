/** Whom one met within the last day: they can still be reported and blocked. */

import { type ReactElement, useState } from 'react';
import { Avatar } from '../../../shared/ui/Avatar.tsx';
import { Block, Flag, More } from '../../../shared/ui/icons.tsx';
import { Menu } from '../../../shared/ui/Menu.tsx';
import type { Met } from '../../state.ts';
import { useClientState } from '../client.ts';
import { BlockDialog } from '../safety/BlockDialog.tsx';
import { useReport } from '../safety/Report.tsx';

const SHOWN = 5;

export function MetRecently(): ReactElement | null {
  const { met } = useClientState();
  const [all, setAll] = useState(false);
  if (met.length === 0) return null;
  return (
    <section className="card" aria-labelledby="met-heading">
      <h2 id="met-heading">Met recently</h2>
      <p className="muted small">
        Something was not right? You can report or block somebody for 24 hours after you met.
      </p>
      <ul className="met">
        {(all ? met : met.slice(0, SHOWN)).map((person) => (
          <Person key={person.memberId} person={person} />
        ))}
      </ul>
      {!all && met.length > SHOWN && (
        <button type="button" className="text-button" onClick={() => setAll(true)}>
          Show all {met.length}
        </button>
      )}
    </section>
  );
}

function Person({ person }: { readonly person: Met }): ReactElement {
  const report = useReport();
  const [blocking, setBlocking] = useState(false);
  const done = [person.reported && 'Reported', person.blocked && 'Blocked'].filter(Boolean).join(', ');
  return (
    <li>
      <Avatar name={person.displayName} />
      <span className="met-name">
        <bdi>{person.displayName}</bdi>
        {done && <span className="muted small">{done}</span>}
      </span>
      <Menu
        label={`Report or block ${person.displayName}`}
        items={[
          {
            label: person.reported ? 'Already reported' : 'Report…',
            icon: Flag,
            disabled: person.reported,
            onSelect: () => report({ ...person, match: false }),
          },
          {
            label: person.blocked ? 'Already blocked' : 'Block…',
            icon: Block,
            tone: 'danger',
            disabled: person.blocked,
            onSelect: () => setBlocking(true),
          },
        ]}
      >
        <More />
      </Menu>
      {blocking && <BlockDialog person={person} match={false} onClose={() => setBlocking(false)} />}
    </li>
  );
}

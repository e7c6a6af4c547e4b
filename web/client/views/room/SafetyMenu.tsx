/** Report and block: one click to open, one to choose. */

import { type ReactElement, useState } from 'react';
import { Block, Flag } from '../../../shared/ui/icons.tsx';
import { Menu, type MenuItem } from '../../../shared/ui/Menu.tsx';
import type { Member, Room } from '../../state.ts';
import { BlockDialog } from '../safety/BlockDialog.tsx';
import { useReport } from '../safety/Report.tsx';
import { provableBy } from './words.ts';

interface SafetyProps {
  readonly room: Room;
  readonly member: Member;
}

/** The two items, for any menu about a member, and the dialog that one of them opens. */
export function useSafety({ room, member }: SafetyProps): { items: readonly MenuItem[]; dialog: ReactElement | null } {
  const report = useReport();
  const [blocking, setBlocking] = useState(false);
  const match = room.kind === 'MATCH';
  const person = { memberId: member.id, displayName: member.displayName };
  return {
    items: [
      {
        label: 'Report…',
        icon: Flag,
        onSelect: () => report({ ...person, provable: provableBy(room, member.id), match }),
      },
      { label: 'Block…', icon: Block, tone: 'danger', onSelect: () => setBlocking(true) },
    ],
    dialog: blocking ? <BlockDialog person={person} match={match} onClose={() => setBlocking(false)} /> : null,
  };
}

export function SafetyMenu({ room, member }: SafetyProps): ReactElement {
  const { items, dialog } = useSafety({ room, member });
  return (
    <>
      <Menu label={`Report or block ${member.displayName}`} items={items} className="safety-button">
        <Flag />
        <span className="safety-label">Report</span>
      </Menu>
      {dialog}
    </>
  );
}

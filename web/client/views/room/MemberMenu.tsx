/** What the viewer may do about another member: what their rank allows, and what anybody may, report and block. */

import { type ReactElement, type ReactNode, useState } from 'react';
import { Confirm } from '../../../shared/ui/Dialog.tsx';
import { Problem } from '../../../shared/ui/Field.tsx';
import { Chat, ChatOff, Person, Shield, SignOut } from '../../../shared/ui/icons.tsx';
import { Menu, type MenuItem } from '../../../shared/ui/Menu.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Actions, Member, Room } from '../../state.ts';
import { useClient } from '../client.ts';
import { useSafety } from './SafetyMenu.tsx';
import { outranks } from './words.ts';

type Moderation = Parameters<Actions['moderate']>[0];

interface MemberMenuProps {
  readonly room: Room;
  readonly member: Member;
  readonly className?: string;
  /** What the button shows. */
  readonly children: ReactNode;
}

export function MemberMenu({ room, member, className = 'icon-button', children }: MemberMenuProps): ReactElement {
  const client = useClient();
  const outcome = useOutcome();
  const safety = useSafety({ room, member });
  const [kicking, setKicking] = useState(false);
  const act = (action: Moderation) => (): void => void outcome.run(() => client.moderate(action, member.id));
  const items: MenuItem[] = outranks(room.me, member)
    ? [
        member.muted
          ? { label: 'Let them write in the chat again', icon: Chat, onSelect: act('unmute') }
          : { label: 'Mute in the chat', icon: ChatOff, onSelect: act('mute') },
        ...(room.me.role === 'OWNER' ? [promotion(member, act)] : []),
        { label: 'Remove from the room…', icon: SignOut, tone: 'danger', onSelect: () => setKicking(true) },
      ]
    : [];
  return (
    <>
      <Menu label={`What to do about ${member.displayName}`} items={[...items, ...safety.items]} className={className}>
        {children}
      </Menu>
      <Problem text={outcome.problem} />
      {safety.dialog}
      {kicking && (
        <Confirm
          title={`Remove ${member.displayName}?`}
          action="Remove"
          onConfirm={() => client.moderate('kick', member.id)}
          onClose={() => setKicking(false)}
        >
          <p>They leave at once, and no invitation to this room lets them in again.</p>
        </Confirm>
      )}
    </>
  );
}

function promotion(member: Member, act: (action: Moderation) => () => void): MenuItem {
  return member.role === 'MODERATOR'
    ? { label: 'Make an ordinary member', icon: Person, onSelect: act('demote') }
    : { label: 'Make a moderator', icon: Shield, onSelect: act('promote') };
}

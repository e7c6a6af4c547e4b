/** Who is inside, what each may do, and what the viewer may do about it. */

import './people.css';
import { type ReactElement, useEffect, useRef } from 'react';
import { Avatar } from '../../../shared/ui/Avatar.tsx';
import { IconButton } from '../../../shared/ui/Button.tsx';
import { Camera, CameraOff, Close, Crown, Microphone, MicrophoneOff, More, Shield } from '../../../shared/ui/icons.tsx';
import type { Member, Room } from '../../state.ts';
import { InviteBox } from './InviteBox.tsx';
import { MemberMenu } from './MemberMenu.tsx';
import { useMyself } from './Tile.tsx';
import { roleName } from './words.ts';

interface PeoplePanelProps {
  readonly room: Room;
  readonly onClose: () => void;
}

export function PeoplePanel({ room, onClose }: PeoplePanelProps): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  const myself = useMyself(room.me);
  useEffect(() => heading.current!.focus(), []);
  return (
    <>
      <header className="panel-head">
        <h2 ref={heading} tabIndex={-1}>
          People
        </h2>
        <IconButton label="Close" icon={Close} onClick={onClose} />
      </header>
      <div className="panel-body">
        <InviteBox room={room} />
        <ul className="people">
          <li>
            <Who member={myself.member} own />
          </li>
          {room.members.map((member) => (
            <li key={member.id}>
              <Who member={member} />
              <MemberMenu room={room} member={member}>
                <More />
              </MemberMenu>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

function Who({ member, own = false }: { readonly member: Member; readonly own?: boolean }): ReactElement {
  const facts = [
    member.role !== 'MEMBER' && roleName[member.role],
    member.muted && 'muted in chat',
    member.status === 'AWAY' && 'connection lost, seat held',
  ].filter((fact) => fact !== false);
  return (
    <>
      <Avatar name={member.displayName} />
      <span className="who">
        <span className="who-name">
          <bdi>{member.displayName}</bdi>
          {own && <span className="muted"> (you)</span>}
          {member.role === 'OWNER' && <Crown />}
          {member.role === 'MODERATOR' && <Shield />}
        </span>
        {facts.length > 0 && <span className="muted small">{facts.join(', ')}</span>}
      </span>
      <span className="who-media muted">
        <span className="visually-hidden">
          Microphone {member.media.microphone ? 'on' : 'off'}, camera {member.media.camera ? 'on' : 'off'}
        </span>
        {member.media.microphone ? <Microphone /> : <MicrophoneOff />}
        {member.media.camera ? <Camera /> : <CameraOff />}
      </span>
    </>
  );
}

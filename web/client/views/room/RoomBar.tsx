/** The line above the stage: who it is, how the connection is, how long, and the way to report. */

import type { ReactElement } from 'react';
import { Avatar } from '../../../shared/ui/Avatar.tsx';
import type { Member, Room } from '../../state.ts';
import { useNow } from '../client.ts';
import { Heading } from '../Heading.tsx';
import { counted, elapsed } from '../words.ts';
import { SafetyMenu } from './SafetyMenu.tsx';
import { link } from './words.ts';

export function RoomBar({ room }: { readonly room: Room }): ReactElement {
  const other = room.members[0];
  return room.kind === 'MATCH' && other ? (
    <MatchBar room={room} other={other} />
  ) : (
    <header className="room-bar">
      <div className="room-who">
        <Heading title={room.name ?? 'Room'}>
          <bdi>{room.name ?? (room.kind === 'MATCH' ? 'They left' : 'Room')}</bdi>
        </Heading>
        <p>
          {counted(room.members.length + 1, 'person', 'people')} of {room.capacity} · <Since date={room.enteredAt} />
        </p>
      </div>
    </header>
  );
}

export function MatchBar({ room, other }: { readonly room: Room; readonly other: Member }): ReactElement {
  const state = link(other, room.peers[other.id], room.mode);
  return (
    <header className="room-bar">
      <Avatar name={other.displayName} />
      <div className="room-who">
        <Heading title={other.displayName} focus={room.mode !== 'TEXT'}>
          <span className="visually-hidden">You are talking with </span>
          <bdi>{other.displayName}</bdi>
        </Heading>
        <p>
          <span className={`link-state link-${state.tone}`} role="status">
            {state.text}
          </span>{' '}
          · <Since date={room.enteredAt} />
        </p>
      </div>
      <SafetyMenu room={room} member={other} />
    </header>
  );
}

function Since({ date }: { readonly date: Date }): ReactElement {
  return <span className="since">{elapsed(date, useNow(1000))}</span>;
}

/** A match in writing: the chat is the whole view. */

import { type ReactElement, useEffect } from 'react';
import { Problem } from '../../../shared/ui/Field.tsx';
import type { Room } from '../../state.ts';
import { useClient } from '../client.ts';
import { listed } from '../words.ts';
import { ChatBody, EncryptionBadge } from './ChatPanel.tsx';
import { HangUpButton, SkipButton } from './Controls.tsx';
import { MatchBar } from './RoomBar.tsx';
import { useSkip } from './skip.ts';

export function TextMatch({ room }: { readonly room: Room }): ReactElement {
  const client = useClient();
  const skip = useSkip(true);
  const other = room.members[0];
  const unread = room.chat.unread > 0;
  useEffect(() => {
    if (unread) client.chatSeen();
  }, [client, unread]);
  return (
    <main className="room text-match">
      {other && <MatchBar room={room} other={other} />}
      <div className="text-ways">
        <SkipButton skip={skip} />
        <HangUpButton label="End" />
        <EncryptionBadge room={room} />
      </div>
      <Problem text={skip.problem} />
      <ChatBody room={room} intro={other && <Intro room={room} name={other.displayName} />} />
    </main>
  );
}

function Intro({ room, name }: { readonly room: Room; readonly name: string }): ReactElement {
  return (
    <div className="intro">
      <p>
        You are writing with <bdi>{name}</bdi>. Say hello.
      </p>
      {room.sharedInterests.length > 0 && (
        <p>
          You both like <strong>{listed(room.sharedInterests)}</strong>.
        </p>
      )}
    </div>
  );
}

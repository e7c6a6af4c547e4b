/** The stage of a room: everybody in a grid that fills it, or a shared screen large with everybody in a strip. */

import { type CSSProperties, type ReactElement, useLayoutEffect, useRef, useState } from 'react';
import type { Room } from '../../state.ts';
import { useClientState } from '../client.ts';
import { Media } from '../Media.tsx';
import { columnsFor } from './grid.ts';
import { CopyLink } from './InviteBox.tsx';
import { SelfTile, Tile } from './Tile.tsx';

export function RoomStage({ room }: { readonly room: Room }): ReactElement {
  const { local } = useClientState();
  const sharing = room.members.find((member) => room.peers[member.id]?.screen);
  const screen = sharing ? room.peers[sharing.id]!.screen : local.screen;
  const box = useRef<HTMLUListElement>(null);
  const count = room.members.length + 1;
  const columns = useColumns(box, count);
  const muted = room.me.muted;
  return (
    <div className={`grid-stage ${screen ? 'grid-screen' : ''}`}>
      {muted && (
        <p className="muted-note">A moderator muted you: you can read the chat, not write. Your call goes on.</p>
      )}
      {screen && (
        <div className="shared-screen">
          <Media
            stream={screen}
            whole
            own={!sharing}
            label={sharing ? `The screen of ${sharing.displayName}` : 'Your screen, as they see it'}
          />
          <p className="name-plate">{sharing ? <bdi>{sharing.displayName}’s screen</bdi> : 'Your screen'}</p>
        </div>
      )}
      <ul
        ref={box}
        className="tiles"
        aria-label="Everybody in the room"
        style={{ '--columns': columns, '--rows': Math.ceil(count / columns) } as CSSProperties}
      >
        <SelfTile me={room.me} />
        {room.members.map((member) => (
          <Tile key={member.id} room={room} member={member} />
        ))}
      </ul>
      {count === 1 && (
        <div className="alone">
          <p>Nobody else is here yet.</p>
          {room.inviteCode !== null && <CopyLink code={room.inviteCode} />}
        </div>
      )}
    </div>
  );
}

function useColumns(box: { readonly current: HTMLElement | null }, count: number): number {
  const [size, setSize] = useState({ width: 800, height: 600 });
  useLayoutEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, [box]);
  return columnsFor(count, size.width, size.height);
}

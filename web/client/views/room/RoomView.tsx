/** A match or a room: the stage with those who are inside, the controls beneath it, and the chat or the people beside it. */

import './room.css';
import './match.css';
import './grid.css';
import './controls.css';
import './textMatch.css';
import './narrow.css';
import { type ReactElement, useEffect, useState } from 'react';
import type { Room } from '../../state.ts';
import { useClient } from '../client.ts';
import { ChatPanel } from './ChatPanel.tsx';
import { Controls } from './Controls.tsx';
import { MatchStage } from './MatchStage.tsx';
import { PeoplePanel } from './PeoplePanel.tsx';
import { RoomBar } from './RoomBar.tsx';
import { RoomStage } from './RoomStage.tsx';
import { useSkip } from './skip.ts';
import { TextMatch } from './TextMatch.tsx';

export type Panel = 'chat' | 'people' | null;

export function RoomView({ room }: { readonly room: Room }): ReactElement {
  return room.kind === 'MATCH' && room.mode === 'TEXT' ? <TextMatch room={room} /> : <Call room={room} />;
}

function Call({ room }: { readonly room: Room }): ReactElement {
  const client = useClient();
  const [panel, setPanel] = useState<Panel>(() => firstPanel(room));
  const skip = useSkip(room.kind === 'MATCH');
  const reading = panel === 'chat' && room.chat.unread > 0;
  useEffect(() => {
    if (reading) client.chatSeen();
  }, [client, reading]);
  const close = (): void => {
    setPanel(null);
    document.getElementById(`show-${panel}`)?.focus();
  };
  return (
    <div className={`room room-${room.kind.toLowerCase()} ${panel ? 'room-paneled' : ''}`}>
      <main className="stage on-stage">
        <RoomBar room={room} />
        {room.kind === 'MATCH' ? <MatchStage room={room} /> : <RoomStage room={room} />}
        <Controls room={room} panel={panel} onPanel={setPanel} skip={skip} />
      </main>
      {panel === 'chat' && (
        <aside className="panel" aria-label="Chat">
          <ChatPanel room={room} onClose={close} />
        </aside>
      )}
      {panel === 'people' && (
        <aside className="panel" aria-label="People">
          <PeoplePanel room={room} onClose={close} />
        </aside>
      )}
    </div>
  );
}

/** Where there is room beside the stage: the chat; the invitation for those who are alone in a room. */
function firstPanel(room: Room): Panel {
  if (!matchMedia('(min-width: 1100px)').matches) return null;
  return room.members.length === 0 && room.inviteCode !== null ? 'people' : 'chat';
}

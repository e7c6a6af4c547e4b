/** Where one chooses whom to meet, opens or enters a room, and settles what is left from before. */

import './header.css';
import './chips.css';
import './lists.css';
import './lobby.css';
import { type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Plus } from '../../../shared/ui/icons.tsx';
import { useClientState } from '../client.ts';
import { Heading } from '../Heading.tsx';
import type { Invitation } from '../invitation.ts';
import { SelfPreview } from '../SelfPreview.tsx';
import { Header } from './Header.tsx';
import { MeetForm } from './MeetForm.tsx';
import { MetRecently } from './MetRecently.tsx';
import { CreateRoom, JoinRoom } from './Rooms.tsx';
import { Standing } from './Standing.tsx';

interface LobbyProps {
  readonly ended: string | null;
  readonly invitation: Invitation;
}

export function Lobby({ ended, invitation }: LobbyProps): ReactElement {
  const { preferences } = useClientState();
  const [mode, setMode] = useState(preferences.mode);
  return (
    <>
      <Header />
      <main className="page lobby">
        <div className="lobby-head">
          <Heading title="Lobby">{ended ? 'Who is next?' : 'Who would you like to meet?'}</Heading>
          {ended && <p className="lobby-ended">{ended}</p>}
          <Standing />
        </div>
        <MeetForm mode={mode} onMode={setMode} />
        <div className="lobby-side">
          {mode !== 'TEXT' && <SelfPreview mode={mode} />}
          <RoomsCard invitation={invitation} />
          <MetRecently />
        </div>
      </main>
    </>
  );
}

function RoomsCard({ invitation }: { readonly invitation: Invitation }): ReactElement {
  const [dialog, setDialog] = useState<'create' | 'join' | null>(null);
  const close = (): void => {
    setDialog(null);
    invitation.forget();
  };
  return (
    <section className="card rooms" aria-labelledby="rooms-heading">
      <h2 id="rooms-heading">Rooms for people you know</h2>
      <p className="muted small">Up to 16 people, by invitation. Nobody comes in without your link.</p>
      <div className="rooms-actions">
        <Button size="small" icon={Plus} onClick={() => setDialog('create')}>
          Create a room
        </Button>
        <Button size="small" tone="quiet" onClick={() => setDialog('join')}>
          Enter a code
        </Button>
      </div>
      {dialog === 'create' && <CreateRoom onClose={close} />}
      {(dialog === 'join' || (dialog === null && invitation.code !== null)) && (
        <JoinRoom code={invitation.code} onClose={close} />
      )}
    </section>
  );
}

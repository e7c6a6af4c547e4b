/** Which view is shown, and what stays above all of them: notices, the state of the connection, the report dialog. */

import './app.css';
import type { ReactElement } from 'react';
import type { Client } from '../state.ts';
import { ClientContext, useClientState } from './client.ts';
import { Door } from './Door.tsx';
import { useInvitation } from './invitation.ts';
import { Lobby } from './lobby/Lobby.tsx';
import { ConnectionBanner, Notices } from './Notices.tsx';
import { RoomView } from './room/RoomView.tsx';
import { ReportProvider } from './safety/Report.tsx';
import { Suspended } from './safety/Suspended.tsx';
import { Waiting } from './Waiting.tsx';

export function App({ client }: { readonly client: Client }): ReactElement {
  return (
    <ClientContext value={client}>
      <ReportProvider>
        <ConnectionBanner />
        <Views />
        <Notices />
      </ReportProvider>
    </ClientContext>
  );
}

function Views(): ReactElement {
  const { place } = useClientState();
  const invitation = useInvitation();
  switch (place.at) {
    case 'door':
      return <Door problem={place.problem} invited={invitation.code !== null} />;
    case 'lobby':
      return <Lobby ended={place.ended} invitation={invitation} />;
    case 'waiting':
      return <Waiting place={place} />;
    case 'room':
      return <RoomView key={place.room.id} room={place.room} />;
    case 'suspended':
      return <Suspended />;
  }
}

/** A call of two: the other large, oneself small in a corner, a shared screen over both. */

import { type ReactElement, useState } from 'react';
import { Button, IconButton } from '../../../shared/ui/Button.tsx';
import { Close, Refresh } from '../../../shared/ui/icons.tsx';
import type { Room } from '../../state.ts';
import { useClient, useClientState } from '../client.ts';
import { Media } from '../Media.tsx';
import { listed } from '../words.ts';
import { SelfView } from './SelfView.tsx';
import { Face, NamePlate } from './Tile.tsx';
import { link } from './words.ts';

export function MatchStage({ room }: { readonly room: Room }): ReactElement {
  const client = useClient();
  const { local } = useClientState();
  const other = room.members[0];
  const peer = other && room.peers[other.id];
  if (!other) return <div className="match" />;
  const state = link(other, peer, room.mode);
  const screen = peer?.screen ?? local.screen;
  return (
    <div className={`match ${screen ? 'match-screen' : ''}`}>
      <div className="match-other">
        <Face member={other} stream={peer?.stream ?? null} />
        {state.tone !== 'good' && (
          <div className="match-state">
            {state.tone === 'waiting' && <span className="spinner" aria-hidden="true" />}
            {state.text}
            {state.retry && (
              <Button size="small" icon={Refresh} onClick={() => client.reconnectPeer(other.id)}>
                Try again
              </Button>
            )}
          </div>
        )}
        {(screen || !other.media.microphone) && <NamePlate member={other} />}
      </div>
      {screen && (
        <div className="match-shared">
          <Media
            stream={screen}
            whole
            own={screen === local.screen}
            label={peer?.screen ? `The screen of ${other.displayName}` : 'Your screen, as they see it'}
          />
        </div>
      )}
      <Hint room={room} />
      <SelfView me={room.me} audioOnly={room.mode === 'AUDIO'} />
    </div>
  );
}

/** Something to begin with. */
export function Hint({ room }: { readonly room: Room }): ReactElement | null {
  const [gone, setGone] = useState(false);
  if (gone || room.sharedInterests.length === 0) return null;
  return (
    <div className="begin">
      <p>
        You both like <strong>{listed(room.sharedInterests)}</strong>
      </p>
      <IconButton label="Dismiss the hint" icon={Close} onClick={() => setGone(true)} />
    </div>
  );
}

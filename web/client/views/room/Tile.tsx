/** One member on the stage: their picture, or an avatar with their voice; their name; what is wrong with the connection. */

import './tile.css';
import type { CSSProperties, ReactElement } from 'react';
import { Avatar } from '../../../shared/ui/Avatar.tsx';
import { IconButton } from '../../../shared/ui/Button.tsx';
import { MicrophoneOff, More, Refresh } from '../../../shared/ui/icons.tsx';
import { hue } from '../../../shared/ui/names.ts';
import type { Member, Room } from '../../state.ts';
import { useClient, useClientState } from '../client.ts';
import { Media } from '../Media.tsx';
import { MemberMenu } from './MemberMenu.tsx';
import { VoiceRing } from './VoiceRing.tsx';
import { link } from './words.ts';

interface FaceProps {
  readonly member: Member;
  readonly stream: MediaStream | null;
  readonly own?: boolean;
}

/** Picture or avatar. The element that sounds is there in both cases. */
export function Face({ member, stream, own = false }: FaceProps): ReactElement {
  const picture = stream !== null && member.media.camera;
  return (
    <>
      {!picture && (
        <div className="face" style={{ '--hue': hue(member.displayName) } as CSSProperties}>
          <VoiceRing stream={stream}>
            <Avatar name={member.displayName} className="avatar-face" />
          </VoiceRing>
        </div>
      )}
      {stream && <Media stream={stream} own={own} hidden={!picture} label={own ? 'You' : member.displayName} />}
    </>
  );
}

/** The viewer, as a member, with what their devices do at this moment. */
export function useMyself(me: Member): { member: Member; stream: MediaStream | null } {
  const { local } = useClientState();
  const media = { camera: local.camera, microphone: local.microphone, screen: local.screen !== null };
  return { member: { ...me, media }, stream: local.stream };
}

interface TileProps {
  readonly room: Room;
  readonly member: Member;
}

export function Tile({ room, member }: TileProps): ReactElement {
  const client = useClient();
  const peer = room.peers[member.id];
  const state = link(member, peer, room.mode);
  return (
    <li className="tile">
      <Face member={member} stream={peer?.stream ?? null} />
      {state.tone !== 'good' && (
        <div className="tile-state">
          {state.tone === 'waiting' && <span className="spinner" aria-hidden="true" />}
          {state.text}
          {state.retry && (
            <IconButton
              label={`Try again with ${member.displayName}`}
              icon={Refresh}
              onClick={() => client.reconnectPeer(member.id)}
            />
          )}
        </div>
      )}
      <NamePlate member={member} />
      <MemberMenu room={room} member={member} className="icon-button tile-menu">
        <More />
      </MemberMenu>
    </li>
  );
}

export function SelfTile({ me }: { readonly me: Member }): ReactElement {
  const { member, stream } = useMyself(me);
  return (
    <li className="tile">
      <Face member={member} stream={stream} own />
      <NamePlate member={member} own />
    </li>
  );
}

export function NamePlate({ member, own = false }: { readonly member: Member; readonly own?: boolean }): ReactElement {
  return (
    <p className="name-plate">
      {!member.media.microphone && (
        <>
          <MicrophoneOff />
          <span className="visually-hidden">Microphone off: </span>
        </>
      )}
      <bdi>{own ? 'You' : member.displayName}</bdi>
      {member.muted && <span className="name-muted">muted in chat</span>}
    </p>
  );
}

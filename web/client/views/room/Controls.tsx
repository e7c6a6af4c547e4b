/** The row beneath the stage: one's own devices, the panels, and the ways out. */

import { type ReactElement, useState } from 'react';
import { Problem } from '../../../shared/ui/Field.tsx';
import { Chat, HangUp, People, Settings, Skip as SkipIcon } from '../../../shared/ui/icons.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Room } from '../../state.ts';
import { useClient, useClientState } from '../client.ts';
import { counted } from '../words.ts';
import { DeviceDialog } from './DeviceDialog.tsx';
import type { Panel } from './RoomView.tsx';
import { CameraSwitch, Control, MicrophoneSwitch, ScreenSwitch } from './Switches.tsx';
import type { Skip } from './skip.ts';

interface ControlsProps {
  readonly room: Room;
  readonly panel: Panel;
  readonly onPanel: (panel: Panel) => void;
  readonly skip: Skip;
}

export function Controls({ room, panel, onPanel, skip }: ControlsProps): ReactElement {
  const { local } = useClientState();
  const [devices, setDevices] = useState(false);
  const invite = room.kind === 'INVITE';
  const video = invite || room.mode === 'VIDEO';
  const toggle = (which: Panel): void => onPanel(panel === which ? null : which);
  const unread = room.chat.unread;
  return (
    <div className="controls">
      <div className="controls-row">
        <MicrophoneSwitch />
        {video && <CameraSwitch />}
        {video && <ScreenSwitch />}
        <Control label="Choose camera and microphone" icon={Settings} onClick={() => setDevices(true)} />
        <Control
          id="show-chat"
          label={unread > 0 ? `Chat, ${counted(unread, 'unread message', 'unread messages')}` : 'Chat'}
          icon={Chat}
          aria-pressed={panel === 'chat'}
          onClick={() => toggle('chat')}
        >
          {unread > 0 && <span className="badge">{unread > 99 ? '99+' : unread}</span>}
        </Control>
        {invite && (
          <Control
            id="show-people"
            label="People and invitation"
            icon={People}
            aria-pressed={panel === 'people'}
            onClick={() => toggle('people')}
          />
        )}
      </div>
      <div className="controls-row">
        {!invite && <SkipButton skip={skip} />}
        <HangUpButton label={invite ? 'Leave' : 'Hang up'} />
      </div>
      <Problem text={skip.problem ?? local.problem} />
      {devices && <DeviceDialog camera={video} onClose={() => setDevices(false)} />}
    </div>
  );
}

export function SkipButton({ skip }: { readonly skip: Skip }): ReactElement {
  return (
    <>
      <button type="button" className="way way-skip" aria-busy={skip.busy} onClick={skip.now}>
        <SkipIcon />
        {skip.asked ? 'Once more' : 'Skip'} <kbd>Esc</kbd>
      </button>
      <span className="visually-hidden" role="status">
        {skip.asked && 'Press Escape once more to skip.'}
      </span>
    </>
  );
}

export function HangUpButton({ label }: { readonly label: string }): ReactElement {
  const client = useClient();
  const outcome = useOutcome();
  return (
    <button
      type="button"
      className="way way-out"
      aria-busy={outcome.busy}
      onClick={() => void outcome.run(() => client.hangUp())}
    >
      <HangUp />
      {label}
    </button>
  );
}

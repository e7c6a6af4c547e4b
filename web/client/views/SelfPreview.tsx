/** The viewer's own picture before a call, with the switches for camera and microphone. */

import './preview.css';
import { type ReactElement, useState } from 'react';
import { Avatar } from '../../shared/ui/Avatar.tsx';
import { Button } from '../../shared/ui/Button.tsx';
import { Problem } from '../../shared/ui/Field.tsx';
import { Camera, Settings } from '../../shared/ui/icons.tsx';
import type { Mode } from '../state.ts';
import { useClient, useClientState } from './client.ts';
import { Media } from './Media.tsx';
import { DeviceDialog } from './room/DeviceDialog.tsx';
import { CameraSwitch, Control, MicrophoneSwitch } from './room/Switches.tsx';
import { VoiceRing } from './room/VoiceRing.tsx';

export function SelfPreview({ mode }: { readonly mode: Mode }): ReactElement {
  const client = useClient();
  const { local, account } = useClientState();
  const [devices, setDevices] = useState(false);
  // `camera` may be a wish: before a call nothing is switched on until one asks.
  const seen = (local.stream?.getVideoTracks().length ?? 0) > 0;
  return (
    <section className="preview-box" aria-label="You, as others will see and hear you">
      <div className={`preview preview-${mode.toLowerCase()} on-stage`}>
        {mode === 'VIDEO' && local.camera && seen ? (
          <Media stream={local.stream!} own label="Your camera" />
        ) : (
          <div className="preview-empty">
            <VoiceRing stream={local.microphone ? local.stream : null}>
              <Avatar name={account?.displayName ?? '?'} className="avatar-big" />
            </VoiceRing>
            {mode === 'VIDEO' && (
              <Button icon={Camera} onClick={() => void client.setCamera(true)}>
                {local.camera ? 'Look at yourself first' : 'Turn the camera on'}
              </Button>
            )}
          </div>
        )}
        <div className="preview-controls">
          <MicrophoneSwitch />
          {mode === 'VIDEO' && <CameraSwitch />}
          <Control label="Choose camera and microphone" icon={Settings} onClick={() => setDevices(true)} />
        </div>
      </div>
      <Problem text={local.problem} />
      {devices && <DeviceDialog camera={mode === 'VIDEO'} onClose={() => setDevices(false)} />}
    </section>
  );
}

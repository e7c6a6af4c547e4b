/** The round switches of a call: microphone, camera, screen. */

import './switches.css';
import type { ButtonHTMLAttributes, ReactElement, ReactNode } from 'react';
import {
  Camera,
  CameraOff,
  type Icon,
  Microphone,
  MicrophoneOff,
  Screen,
  ScreenOff,
} from '../../../shared/ui/icons.tsx';
import { useClient, useClientState } from '../client.ts';

interface ControlProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'type'> {
  readonly label: string;
  readonly icon: Icon;
  readonly look?: 'off' | 'active';
  readonly children?: ReactNode;
}

export function Control({ label, icon: Icon, look, children, ...rest }: ControlProps): ReactElement {
  return (
    <button
      {...rest}
      type="button"
      className={`control ${look ? `control-${look}` : ''}`}
      aria-label={label}
      title={label}
    >
      <Icon />
      {children}
    </button>
  );
}

export function MicrophoneSwitch(): ReactElement {
  const client = useClient();
  const on = useClientState().local.microphone;
  return (
    <Control
      label={on ? 'Mute your microphone' : 'Unmute your microphone'}
      icon={on ? Microphone : MicrophoneOff}
      {...(on ? {} : { look: 'off' as const })}
      onClick={() => void client.setMicrophone(!on)}
    />
  );
}

export function CameraSwitch(): ReactElement {
  const client = useClient();
  const on = useClientState().local.camera;
  return (
    <Control
      label={on ? 'Turn your camera off' : 'Turn your camera on'}
      icon={on ? Camera : CameraOff}
      {...(on ? {} : { look: 'off' as const })}
      onClick={() => void client.setCamera(!on)}
    />
  );
}

/** Not there on phones, whose browsers cannot share a screen. */
export function ScreenSwitch(): ReactElement | null {
  const client = useClient();
  const on = useClientState().local.screen !== null;
  if (!navigator.mediaDevices?.getDisplayMedia) return null;
  return (
    <Control
      label={on ? 'Stop sharing your screen' : 'Share your screen'}
      icon={on ? ScreenOff : Screen}
      {...(on ? { look: 'active' as const } : {})}
      onClick={() => void client.shareScreen(!on)}
    />
  );
}

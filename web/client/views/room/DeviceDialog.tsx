/** Which camera and microphone to use. */

import { type ReactElement, useEffect, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Dialog } from '../../../shared/ui/Dialog.tsx';
import { Select } from '../../../shared/ui/Field.tsx';
import { useClient, useClientState } from '../client.ts';

interface DeviceDialogProps {
  readonly camera: boolean;
  readonly onClose: () => void;
}

export function DeviceDialog({ camera, onClose }: DeviceDialogProps): ReactElement {
  const client = useClient();
  const { local } = useClientState();
  const [devices, setDevices] = useState<readonly MediaDeviceInfo[] | null>(null);
  // Labels come once a device was allowed, so they are asked for again when the stream changes.
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above
  useEffect(() => {
    const ask = (): void => void client.devices().then(setDevices, () => setDevices([]));
    ask();
    navigator.mediaDevices?.addEventListener('devicechange', ask);
    return () => navigator.mediaDevices?.removeEventListener('devicechange', ask);
  }, [client, local.stream]);
  const kinds = [
    ...(camera ? [{ kind: 'camera' as const, input: 'videoinput', label: 'Camera' }] : []),
    { kind: 'microphone' as const, input: 'audioinput', label: 'Microphone' },
  ];
  return (
    <Dialog title="Camera and microphone" onClose={onClose}>
      <div className="form">
        {kinds.map(({ kind, input, label }) => {
          const options = (devices ?? [])
            .filter((device) => device.kind === input && device.deviceId !== '')
            .map((device, index) => ({ value: device.deviceId, label: device.label || `${label} ${index + 1}` }));
          return (
            <Select
              key={kind}
              label={label}
              value={inUse(local.stream, kind) ?? ''}
              options={
                options.length > 0
                  ? options
                  : [{ value: '', label: devices ? 'None found, or not allowed yet' : 'Looking…' }]
              }
              disabled={options.length === 0}
              onChange={(deviceId) => void client.chooseDevice(kind, deviceId)}
            />
          );
        })}
      </div>
      <div className="dialog-actions">
        <Button tone="primary" onClick={onClose}>
          Done
        </Button>
      </div>
    </Dialog>
  );
}

function inUse(stream: MediaStream | null, kind: 'camera' | 'microphone'): string | undefined {
  const tracks = kind === 'camera' ? stream?.getVideoTracks() : stream?.getAudioTracks();
  return tracks?.[0]?.getSettings().deviceId;
}

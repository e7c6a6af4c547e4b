/** Short messages that come and go, and whether the server is reached. Both are announced. */

import './notices.css';
import type { ReactElement } from 'react';
import { IconButton } from '../../shared/ui/Button.tsx';
import { Check, Close, Info, Warning } from '../../shared/ui/icons.tsx';
import { useClient, useClientState } from './client.ts';

const icons = { info: Info, good: Check, bad: Warning };

export function Notices(): ReactElement {
  const client = useClient();
  const { notices } = useClientState();
  return (
    <section className="notices" aria-label="Notices" aria-live="polite">
      {notices.map((notice) => {
        const Icon = icons[notice.tone];
        return (
          <div key={notice.id} className={`notice notice-${notice.tone}`}>
            <Icon />
            <p>{notice.text}</p>
            <IconButton label="Dismiss" icon={Close} onClick={() => client.dismissNotice(notice.id)} />
          </div>
        );
      })}
    </section>
  );
}

export function ConnectionBanner(): ReactElement {
  const { connection, place } = useClientState();
  const inRoom = place.at === 'room';
  return (
    <div role="status" className="connection">
      {connection === 'lost' && (
        <p>
          <span className="spinner" aria-hidden="true" />
          <span>Connection lost, trying again. {inRoom && place.room.mode !== 'TEXT' && 'Your call goes on.'}</span>
        </p>
      )}
    </div>
  );
}

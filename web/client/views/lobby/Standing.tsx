/** What operators decided about the viewer while the lobby is open: warnings, and a suspension from matching alone. */

import { type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Dialog } from '../../../shared/ui/Dialog.tsx';
import { Warning } from '../../../shared/ui/icons.tsx';
import { useClientState } from '../client.ts';
import { SuspensionCard } from '../safety/SuspensionCard.tsx';
import { dateAndTime } from '../words.ts';

export function Standing(): ReactElement | null {
  const { suspensions, warnings } = useClientState();
  const [open, setOpen] = useState<string | null>(null);
  const now = new Date();
  const held = suspensions.filter((one) => one.liftedAt === null && (one.endsAt === null || one.endsAt > now));
  const shown = suspensions.find((one) => one.id === open);
  if (held.length === 0 && warnings.length === 0) return null;
  return (
    <div className="standing">
      {held.map((one) => (
        <div key={one.id} className="standing-item">
          <Warning />
          <p>
            <strong>You cannot be matched {one.endsAt ? `until ${dateAndTime(one.endsAt)}` : 'for now'}.</strong> Rooms
            by invitation stay open to you.
          </p>
          <Button size="small" onClick={() => setOpen(one.id)}>
            Why, and how to appeal
          </Button>
        </div>
      ))}
      {warnings.map((warning) => (
        <div key={warning.id} className="standing-item">
          <Warning />
          <p>
            <strong>A warning from the moderators</strong> <span className="small">({dateAndTime(warning.at)})</span>
            <br />
            <span className="pre-line">{warning.reason}</span>
          </p>
        </div>
      ))}
      {shown && (
        <Dialog title="Suspended from matching" onClose={() => setOpen(null)} wide>
          <SuspensionCard suspension={shown} />
        </Dialog>
      )}
    </div>
  );
}

/** The link that leads into the room: copy it, replace it, close the room. Only for those who may. */

import { type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Confirm } from '../../../shared/ui/Dialog.tsx';
import { Check, Copy, More, Refresh, Trash } from '../../../shared/ui/icons.tsx';
import { Menu } from '../../../shared/ui/Menu.tsx';
import type { Room } from '../../state.ts';
import { useClient } from '../client.ts';
import { inviteLink } from '../invitation.ts';

export function InviteBox({ room }: { readonly room: Room }): ReactElement | null {
  const client = useClient();
  const [asking, setAsking] = useState<'rotate' | 'close' | null>(null);
  const owner = room.me.role === 'OWNER';
  if (room.inviteCode === null) return null;
  const close = (): void => setAsking(null);
  const items = [
    { label: 'Replace the link…', icon: Refresh, onSelect: () => setAsking('rotate') },
    ...(owner
      ? [{ label: 'Close the room…', icon: Trash, tone: 'danger' as const, onSelect: () => setAsking('close') }]
      : []),
  ];
  return (
    <section className="invite" aria-labelledby="invite-heading">
      <div className="invite-head">
        <h3 id="invite-heading">Invite people</h3>
        <Menu label="More about the invitation" items={items}>
          <More />
        </Menu>
      </div>
      <p className="invite-code">{room.inviteCode}</p>
      <CopyLink code={room.inviteCode} />
      {asking === 'rotate' && (
        <Confirm title="Replace the link?" action="Replace it" onConfirm={() => client.rotateInvite()} onClose={close}>
          <p>The present link and code lead nowhere from then on. Everybody who is inside stays.</p>
        </Confirm>
      )}
      {asking === 'close' && (
        <Confirm title="Close the room?" action="Close the room" onConfirm={() => client.closeRoom()} onClose={close}>
          <p>Everybody leaves, and the messages of the room are deleted. This cannot be undone.</p>
        </Confirm>
      )}
    </section>
  );
}

export function CopyLink({ code }: { readonly code: string }): ReactElement {
  const [copied, setCopied] = useState<'yes' | 'no' | null>(null);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(inviteLink(code));
      setCopied('yes');
    } catch {
      setCopied('no'); // refused, or a page without TLS
    }
    setTimeout(() => setCopied(null), 4000);
  };
  return (
    <>
      <Button tone="primary" icon={copied === 'yes' ? Check : Copy} onClick={() => void copy()}>
        {copied === 'yes' ? 'Copied' : 'Copy the link'}
      </Button>
      <span role="status" className={copied === 'no' ? 'hint' : 'visually-hidden'}>
        {copied === 'yes' && 'The link was copied.'}
        {copied === 'no' && `Your browser did not let us. The link: ${inviteLink(code)}`}
      </span>
    </>
  );
}

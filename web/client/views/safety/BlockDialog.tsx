/** Asks before somebody is blocked. */

import type { ReactElement } from 'react';
import { Confirm } from '../../../shared/ui/Dialog.tsx';
import { useClient } from '../client.ts';

interface BlockDialogProps {
  readonly person: { readonly memberId: string; readonly displayName: string };
  /** The two are in a match, which ends by it. */
  readonly match: boolean;
  readonly onClose: () => void;
}

export function BlockDialog({ person, match, onClose }: BlockDialogProps): ReactElement {
  const client = useClient();
  return (
    <Confirm
      title={`Block ${person.displayName}?`}
      action="Block"
      onConfirm={() => client.block(person.memberId)}
      onClose={onClose}
    >
      <p>
        You will not be matched with each other again, and neither can join a room by a code while the other is in it.
        {match && ' This call ends.'} They are not told.
      </p>
    </Confirm>
  );
}

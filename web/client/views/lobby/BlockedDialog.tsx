/** Whom the viewer blocked, and taking it back. */

import { type ReactElement, useEffect, useState } from 'react';
import { Avatar } from '../../../shared/ui/Avatar.tsx';
import { Button } from '../../../shared/ui/Button.tsx';
import { Dialog } from '../../../shared/ui/Dialog.tsx';
import { Problem } from '../../../shared/ui/Field.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Block } from '../../state.ts';
import { useClient } from '../client.ts';
import { dateAndTime } from '../words.ts';

export function BlockedDialog({ onClose }: { readonly onClose: () => void }): ReactElement {
  const client = useClient();
  const [blocks, setBlocks] = useState<readonly Block[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    client.blocks().then(setBlocks, () => setProblem('The list could not be loaded. Try again in a moment.'));
  }, [client]);
  return (
    <Dialog title="Blocked people" onClose={onClose}>
      <p className="muted">You are never matched with somebody you blocked. They are not told.</p>
      <Problem text={problem} />
      {blocks === null && problem === null && <p role="status">Loading…</p>}
      {blocks?.length === 0 && <p className="empty">You blocked nobody.</p>}
      <ul className="met">
        {blocks?.map((block) => (
          <Blocked key={block.id} block={block} onGone={() => setBlocks(blocks.filter((one) => one !== block))} />
        ))}
      </ul>
    </Dialog>
  );
}

function Blocked({ block, onGone }: { readonly block: Block; readonly onGone: () => void }): ReactElement {
  const client = useClient();
  const outcome = useOutcome();
  return (
    <li>
      <Avatar name={block.displayName} />
      <span className="met-name">
        <bdi>{block.displayName}</bdi>
        <span className="muted small">since {dateAndTime(block.createdAt)}</span>
        <Problem text={outcome.problem} />
      </span>
      <Button
        size="small"
        busy={outcome.busy}
        aria-label={`Unblock ${block.displayName}`}
        onClick={async () => (await outcome.run(() => client.unblock(block.id))) && onGone()}
      >
        Unblock
      </Button>
    </li>
  );
}

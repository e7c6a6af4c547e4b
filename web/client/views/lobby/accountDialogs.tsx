/** Changing the name, taking the data along, deleting the account. */

import { type FormEvent, type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Confirm, Dialog } from '../../../shared/ui/Dialog.tsx';
import { Problem, TextField } from '../../../shared/ui/Field.tsx';
import { Download } from '../../../shared/ui/icons.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Client } from '../../state.ts';
import { useClient } from '../client.ts';

interface AccountDialogProps {
  readonly onClose: () => void;
}

export function RenameDialog({ name: before, onClose }: AccountDialogProps & { readonly name: string }): ReactElement {
  const client = useClient();
  const [name, setName] = useState(before);
  const outcome = useOutcome();
  const submitted = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const wanted = name.trim();
    if (await outcome.run(() => (wanted === '' ? Promise.resolve('Give a name.') : client.rename(wanted)))) onClose();
  };
  return (
    <Dialog title="Change your name" onClose={onClose}>
      <form className="form" onSubmit={submitted} noValidate>
        <TextField
          label="What shall people call you?"
          value={name}
          onChange={(event) => setName(event.target.value)}
          maxLength={40}
          autoComplete="nickname"
          problem={outcome.problem}
        />
        <div className="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" submit busy={outcome.busy}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function ExportDialog({ onClose }: AccountDialogProps): ReactElement {
  const client = useClient();
  const outcome = useOutcome();
  return (
    <Dialog title="Export your data" onClose={onClose}>
      <p>
        Everything this server keeps about you, as one JSON file: your account, your blocks and reports, what was
        decided about you. Messages are not in it, for the server cannot read them.
      </p>
      <Problem text={outcome.problem} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Close</Button>
        <Button
          tone="primary"
          icon={Download}
          busy={outcome.busy}
          onClick={() => outcome.run(() => saveExport(client))}
        >
          Save as a file
        </Button>
      </div>
    </Dialog>
  );
}

/** Asks for the data and hands the file to the browser. */
export async function saveExport(client: Client): Promise<string | null> {
  const address = URL.createObjectURL(new Blob([await client.exportMyData()], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = 'parley-export.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // some browsers read it after the click returned
  return null;
}

export function DeleteDialog({ onClose }: AccountDialogProps): ReactElement {
  const client = useClient();
  return (
    <Confirm
      title="Delete your account?"
      action="Delete my account"
      onConfirm={() => client.deleteMyAccount()}
      onClose={onClose}
    >
      <p>Your name, your keys and your blocks are deleted, and you are signed out. This cannot be undone.</p>
    </Confirm>
  );
}

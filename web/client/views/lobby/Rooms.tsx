/** Creating a room, and entering one by its code after a look at it. */

import { type FormEvent, type ReactElement, useEffect, useRef, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Dialog } from '../../../shared/ui/Dialog.tsx';
import { Problem, TextField } from '../../../shared/ui/Field.tsx';
import { People } from '../../../shared/ui/icons.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import type { Preview } from '../../state.ts';
import { useClient } from '../client.ts';
import { counted } from '../words.ts';

interface RoomDialogProps {
  readonly onClose: () => void;
}

export function CreateRoom({ onClose }: RoomDialogProps): ReactElement {
  const client = useClient();
  const [name, setName] = useState('');
  const [capacity, setCapacity] = useState(8);
  const outcome = useOutcome();
  const submitted = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim() === '') void outcome.run(async () => 'Give the room a name.');
    else void outcome.run(() => client.createRoom(name.trim(), capacity));
  };
  return (
    <Dialog title="Create a room" onClose={onClose}>
      <form className="form" onSubmit={submitted} noValidate>
        <TextField
          label="Name of the room"
          value={name}
          onChange={(event) => setName(event.target.value)}
          maxLength={80}
          placeholder="Friday evening"
          autoComplete="off"
        />
        <div className="field">
          <label htmlFor="capacity">
            Seats <output className="patience-value">{capacity}, yours included</output>
          </label>
          <input
            id="capacity"
            type="range"
            min={2}
            max={16}
            value={capacity}
            onChange={(event) => setCapacity(Number(event.target.value))}
          />
        </div>
        <Problem text={outcome.problem} />
        <div className="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" submit busy={outcome.busy}>
            Create and enter
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface JoinRoomProps extends RoomDialogProps {
  /** From a link; null where it is to be typed. */
  readonly code: string | null;
}

export function JoinRoom({ code, onClose }: JoinRoomProps): ReactElement {
  const client = useClient();
  const [typed, setTyped] = useState(code ?? '');
  const [preview, setPreview] = useState<Preview | null>(null);
  const looking = useOutcome();
  const joining = useOutcome();
  const enter = useRef<HTMLButtonElement>(null);
  const look = (wanted: string): Promise<boolean> =>
    looking.run(async () => {
      const room = await client.previewRoom(wanted);
      setPreview(room);
      return room ? null : 'This code leads nowhere. Perhaps it was replaced, or the room has closed.';
    });
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each link
  useEffect(() => {
    if (code) void look(code);
  }, [code]);
  useEffect(() => {
    if (preview) enter.current?.focus(); // the field that had it is gone
  }, [preview]);
  const submitted = (event: FormEvent): void => {
    event.preventDefault();
    if (preview) void joining.run(() => client.joinRoom(typed)).then((joined) => joined && onClose());
    else if (typed.trim() !== '') void look(typed);
  };
  const full = preview !== null && preview.memberCount >= preview.capacity;
  return (
    <Dialog title={preview || code ? 'You are invited' : 'Enter a code'} onClose={onClose}>
      <form className="form" onSubmit={submitted} noValidate>
        {preview ? (
          <PreviewCard preview={preview} full={full} />
        ) : (
          <TextField
            label="Code of the room"
            value={typed}
            onChange={(event) => setTyped(pasted(event.target.value))}
            autoComplete="off"
            autoCapitalize="characters"
            spellCheck={false}
            maxLength={200}
            hint="Spaces, hyphens and case do not matter. You see the room before you enter."
            problem={looking.problem}
          />
        )}
        <Problem text={joining.problem} />
        <div className="dialog-actions">
          <Button onClick={onClose}>{preview ? 'Not now' : 'Cancel'}</Button>
          <Button ref={enter} tone="primary" submit busy={looking.busy || joining.busy} disabled={full}>
            {preview ? 'Enter the room' : 'Look it up'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function PreviewCard({ preview, full }: { readonly preview: Preview; readonly full: boolean }): ReactElement {
  return (
    <div className="room-preview" role="status">
      <span className="room-preview-icon">
        <People />
      </span>
      <div>
        <strong>
          <bdi>{preview.name ?? 'A room without a name'}</bdi>
        </strong>
        <p className="muted">
          {preview.memberCount === 0
            ? 'Nobody is inside yet'
            : `${counted(preview.memberCount, 'person', 'people')} inside`}
          {full ? '. It is full.' : `, ${counted(preview.capacity - preview.memberCount, 'seat', 'seats')} free.`}
        </p>
      </div>
    </div>
  );
}

/** People paste the whole link as well. */
function pasted(text: string): string {
  const code = /#\/join\/([^/\s]+)/.exec(text)?.[1];
  return code ?? text;
}

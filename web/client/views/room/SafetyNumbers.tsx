/** What encryption means here, and the numbers by which two people see that nobody sits between them. */

import type { ReactElement } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Dialog } from '../../../shared/ui/Dialog.tsx';
import type { Member, Room } from '../../state.ts';
import { useClient } from '../client.ts';

interface SafetyNumbersProps {
  readonly room: Room;
  readonly onClose: () => void;
}

const explained = {
  starting: 'Keys are being exchanged. What you write now is sent once they are there.',
  ready: 'Only those in this room can read the chat. The server passes on what it cannot read.',
  unavailable: 'Encryption could not be set up in this browser, so nothing can be written here.',
};

export function SafetyNumbers({ room, onClose }: SafetyNumbersProps): ReactElement {
  const known = room.members.filter((member) => room.chat.safetyNumbers[member.id]);
  return (
    <Dialog title="Encryption" onClose={onClose}>
      <p>{explained[room.chat.encryption]}</p>
      {known.length > 0 && (
        <p className="muted">
          To be sure that nobody sits between you, read the number to each other: it has to be the same on both sides.
        </p>
      )}
      {known.map((member) => (
        <SafetyNumber key={member.id} room={room} member={member} />
      ))}
      {known.length === 0 && <p className="empty">There is no safety number yet.</p>}
    </Dialog>
  );
}

function SafetyNumber({ room, member }: { readonly room: Room; readonly member: Member }): ReactElement {
  const client = useClient();
  const digits = (room.chat.safetyNumbers[member.id] ?? '').replace(/\D/g, '').match(/.{1,5}/g) ?? [];
  const changed = room.chat.changedIdentities.includes(member.id);
  return (
    <section className="safety-number" aria-label={`Safety number with ${member.displayName}`}>
      <h3>
        With <bdi>{member.displayName}</bdi>
      </h3>
      <ol>
        {digits.map((group, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: twelve groups in one order, two of which may be equal
          <li key={index}>{group}</li>
        ))}
      </ol>
      {changed && (
        <div className="changed">
          <p>
            Their key is another than before. They may have a new browser, or somebody pretends to be them. Compare the
            number if you can.
          </p>
          <Button size="small" onClick={() => void client.trust(member.id)}>
            Go on with the new key
          </Button>
        </div>
      )}
    </section>
  );
}

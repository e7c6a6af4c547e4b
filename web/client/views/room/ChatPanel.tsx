/** The chat: its state of encryption, what was said, and the field to say something. */

import './chat.css';
import { type ReactElement, type ReactNode, useState } from 'react';
import { Button, IconButton } from '../../../shared/ui/Button.tsx';
import { Close, Lock, Warning } from '../../../shared/ui/icons.tsx';
import type { Room } from '../../state.ts';
import { listed } from '../words.ts';
import { ChatLog } from './ChatLog.tsx';
import { Composer } from './Composer.tsx';
import { SafetyNumbers } from './SafetyNumbers.tsx';

interface ChatPanelProps {
  readonly room: Room;
  readonly onClose: () => void;
}

export function ChatPanel({ room, onClose }: ChatPanelProps): ReactElement {
  return (
    <>
      <header className="panel-head">
        <h2>Chat</h2>
        <EncryptionBadge room={room} />
        <IconButton label="Close the chat" icon={Close} onClick={onClose} />
      </header>
      <ChatBody room={room} />
    </>
  );
}

interface ChatBodyProps {
  readonly room: Room;
  /** Shown above the first line. */
  readonly intro?: ReactNode;
}

export function ChatBody({ room, intro }: ChatBodyProps): ReactElement {
  const typing = room.members.filter((member) => member.typing).map((member) => member.displayName);
  return (
    <>
      <ChangedIdentities room={room} />
      <ChatLog room={room} intro={intro} />
      <p className="typing" role="status">
        {typing.length > 0 && (
          <>
            <span className="typing-dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            {typing.length > 3 ? 'Several people are' : `${listed(typing)} ${typing.length > 1 ? 'are' : 'is'}`} typing
          </>
        )}
      </p>
      <Composer room={room} />
    </>
  );
}

const badges = { starting: 'Setting up encryption…', ready: 'Encrypted', unavailable: 'No encryption' };

export function EncryptionBadge({ room }: { readonly room: Room }): ReactElement {
  const [open, setOpen] = useState(false);
  const { encryption } = room.chat;
  return (
    <>
      <button type="button" className={`encryption encryption-${encryption}`} onClick={() => setOpen(true)}>
        <Lock />
        {badges[encryption]}
      </button>
      {open && <SafetyNumbers room={room} onClose={() => setOpen(false)} />}
    </>
  );
}

function ChangedIdentities({ room }: { readonly room: Room }): ReactElement {
  const [open, setOpen] = useState(false);
  const changed = room.members.filter((member) => room.chat.changedIdentities.includes(member.id));
  return (
    <div role="alert">
      {changed.length > 0 && (
        <div className="changed">
          <Warning />
          <p>
            <strong>The key of {listed(changed.map((member) => member.displayName))} changed.</strong> Nothing is sent
            to them before you look at it.
          </p>
          <Button size="small" onClick={() => setOpen(true)}>
            Look at it
          </Button>
        </div>
      )}
      {open && <SafetyNumbers room={room} onClose={() => setOpen(false)} />}
    </div>
  );
}

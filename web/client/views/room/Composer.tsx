/** The field to write in: Enter sends, Shift and Enter begins a new line. */

import { type KeyboardEvent, type ReactElement, useLayoutEffect, useRef, useState } from 'react';
import { Send } from '../../../shared/ui/icons.tsx';
import type { Room } from '../../state.ts';
import { useClient } from '../client.ts';

export function Composer({ room }: { readonly room: Room }): ReactElement {
  const client = useClient();
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight + 2, 140)}px`;
  }, [text]);
  const send = (): void => {
    if (text.trim() === '') return;
    client.say(text.trim());
    setText('');
    field.current?.focus();
  };
  const pressed = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const barred = room.me.muted
    ? 'A moderator muted you: you can read, not write.'
    : room.chat.encryption === 'unavailable'
      ? 'This browser cannot encrypt, so nothing can be written here.'
      : null;
  if (barred) return <p className="composer-barred">{barred}</p>;
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        // A chat of two has nothing else to begin with; beside a call it was opened to write.
        // biome-ignore lint/a11y/noAutofocus: as above
        autoFocus
        dir="auto"
        rows={1}
        maxLength={4000}
        value={text}
        aria-label="Message"
        placeholder="Write a message"
        enterKeyHint="send"
        onChange={(event) => {
          setText(event.target.value);
          client.typing();
        }}
        onKeyDown={pressed}
      />
      <button type="submit" className="composer-send" aria-label="Send" title="Send" disabled={text.trim() === ''}>
        <Send />
      </button>
    </form>
  );
}

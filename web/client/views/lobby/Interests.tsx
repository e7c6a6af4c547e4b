/** What to talk about, as chips: Enter or a comma adds one, Backspace in the empty field takes the last. */

import { type ClipboardEvent, type KeyboardEvent, type ReactElement, useId, useRef, useState } from 'react';
import { Chips } from './Chips.tsx';

const MOST = 10;
const LONGEST = 40;

interface InterestsProps {
  readonly value: readonly string[];
  readonly onChange: (value: readonly string[]) => void;
}

export function Interests({ value, onChange }: InterestsProps): ReactElement {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const full = value.length >= MOST;
  const add = (typed: string): void => {
    onChange(withInterests(value, typed));
    setText('');
  };
  const pressed = (event: KeyboardEvent<HTMLInputElement>): void => {
    if (event.nativeEvent.isComposing) return; // Enter accepts what an input method offers
    if ((event.key === 'Enter' && text.trim() !== '') || event.key === ',') {
      event.preventDefault();
      add(text);
    } else if (event.key === 'Backspace' && text === '') onChange(value.slice(0, -1));
  };
  const pasted = (event: ClipboardEvent<HTMLInputElement>): void => {
    const paste = event.clipboardData.getData('text');
    if (!/[,\n]/.test(paste)) return;
    event.preventDefault();
    add(`${text}${paste}`);
  };
  return (
    <div className="field">
      <label htmlFor={id}>What would you like to talk about?</label>
      <Chips
        items={value.map((interest) => ({ key: interest, label: interest }))}
        onRemove={(interest) => {
          onChange(value.filter((one) => one !== interest));
          input.current?.focus();
        }}
      >
        <input
          ref={input}
          id={id}
          dir="auto"
          value={text}
          maxLength={LONGEST}
          enterKeyHint="done"
          autoComplete="off"
          disabled={full}
          placeholder={value.length === 0 ? 'music, chess, Lisbon…' : full ? '' : 'Add another'}
          aria-describedby={`${id}-hint`}
          onChange={(event) =>
            event.target.value.endsWith(',') ? add(event.target.value) : setText(event.target.value)
          }
          onKeyDown={pressed}
          onPaste={pasted}
          onBlur={() => text.trim() !== '' && add(text)}
        />
      </Chips>
      <p id={`${id}-hint`} className="hint">
        {full
          ? `${MOST} is the most. Take one away to add another.`
          : 'Press Enter or comma after each. Leave it empty to talk about anything.'}
      </p>
    </div>
  );
}

/** `value` and what was typed, parted at commas; none twice (without regard to case), at most ten of at most 40 characters. */
export function withInterests(value: readonly string[], typed: string): readonly string[] {
  const result = [...value];
  for (const part of typed.normalize('NFKC').split(/[,\n]/u)) {
    const interest = [...part.trim()].slice(0, LONGEST).join('').trim();
    const known = result.some((one) => one.toLowerCase() === interest.toLowerCase());
    if (interest !== '' && !known && result.length < MOST) result.push(interest);
  }
  return result;
}

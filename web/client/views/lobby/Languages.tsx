/** Which languages to talk in: a combobox over their names, in the viewer's language and in their own (WAI-ARIA combobox pattern). */

import { type KeyboardEvent, type ReactElement, useDeferredValue, useId, useMemo, useRef, useState } from 'react';
import { languageName } from '../words.ts';
import { Chips } from './Chips.tsx';
import { type Language, languagesFor } from './languageList.ts';

const MOST = 10;

interface LanguagesProps {
  readonly value: readonly string[];
  readonly onChange: (value: readonly string[]) => void;
}

export function Languages({ value, onChange }: LanguagesProps): ReactElement {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const sought = useDeferredValue(text);
  const found = useMemo(() => (open ? languagesFor(sought, value) : []), [open, sought, value]);
  const full = value.length >= MOST;
  const shown = open && !full;
  const choose = (language: Language | undefined): void => {
    if (!language) return;
    onChange([...value, language.tag]);
    setText('');
    setActive(0);
    setOpen(false);
    input.current?.focus();
  };
  const pressed = (event: KeyboardEvent<HTMLInputElement>): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setOpen(true);
      const next = shown ? active + (event.key === 'ArrowDown' ? 1 : -1) : 0;
      const at = found.length === 0 ? 0 : (next + found.length) % found.length;
      setActive(at);
      document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter' && shown && (text !== '' || found.length > 0)) {
      event.preventDefault();
      choose(found[active]);
    } else if (event.key === 'Escape' && shown) {
      event.preventDefault();
      setOpen(false);
    } else if (event.key === 'Backspace' && text === '') onChange(value.slice(0, -1));
  };
  return (
    <div className="field languages">
      <label htmlFor={id}>Which languages do you speak?</label>
      <Chips
        items={value.map((tag) => ({ key: tag, label: languageName(tag) }))}
        onRemove={(tag) => {
          onChange(value.filter((one) => one !== tag));
          input.current?.focus();
        }}
      >
        <input
          ref={input}
          id={id}
          role="combobox"
          aria-expanded={shown}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-activedescendant={shown && found[active] ? `${id}-${active}` : undefined}
          aria-describedby={`${id}-hint`}
          dir="auto"
          autoComplete="off"
          disabled={full}
          value={text}
          placeholder={value.length === 0 ? 'Any' : full ? '' : 'Add another'}
          onChange={(event) => {
            setText(event.target.value);
            setActive(0);
            setOpen(true);
          }}
          onClick={() => setOpen(true)}
          onKeyDown={pressed}
          onBlur={() => setOpen(false)}
        />
      </Chips>
      <div id={`${id}-list`} role="listbox" aria-label="Languages" className="options" hidden={!shown} tabIndex={-1}>
        {found.map((language, index) => (
          // The input keeps the focus and has the keys; an option answers to the pointer alone.
          // biome-ignore lint/a11y/useKeyWithClickEvents: as above
          <div
            key={language.tag}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            className="option"
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(language)}
          >
            <span>{language.name}</span>
            <span className="muted small" lang={language.tag}>
              {language.own}
            </span>
          </div>
        ))}
        {found.length === 0 && <p className="option-none muted">No such language.</p>}
      </div>
      <p id={`${id}-hint`} className="hint">
        {full ? `${MOST} is the most.` : 'Leave it empty to meet speakers of any.'}
      </p>
    </div>
  );
}

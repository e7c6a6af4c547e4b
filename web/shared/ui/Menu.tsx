/** A button that opens a menu of actions, in the top layer so that nothing cuts it off (WAI-ARIA Authoring Practices, menu button). */

import './menu.css';
import {
  type KeyboardEvent,
  type ReactElement,
  type ReactNode,
  type ToggleEvent,
  useId,
  useRef,
  useState,
} from 'react';
import type { Icon } from './icons.tsx';

export interface MenuItem {
  readonly label: string;
  readonly icon?: Icon;
  readonly tone?: 'danger';
  readonly disabled?: boolean;
  readonly onSelect: () => void;
}

interface MenuProps {
  /** The button's accessible name. */
  readonly label: string;
  /** What the button shows. */
  readonly children: ReactNode;
  readonly items: readonly MenuItem[];
  readonly className?: string;
}

export function Menu({ label, children, items, className = 'icon-button' }: MenuProps): ReactElement {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const toggled = (event: ToggleEvent<HTMLDivElement>): void => {
    const opened = event.newState === 'open';
    setOpen(opened);
    if (opened) {
      place(list.current!, button.current!);
      list.current!.querySelector<HTMLElement>('[role=menuitem]:enabled')?.focus();
    } else delete list.current?.dataset['placed'];
  };
  const moved = (event: KeyboardEvent<HTMLDivElement>): void => {
    const all = [...list.current!.querySelectorAll<HTMLElement>('[role=menuitem]:enabled')];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      all.at(next % all.length)?.focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      if (event.key === 'Escape') event.preventDefault(); // it closes the menu and nothing behind it
      list.current!.hidePopover();
      button.current!.focus();
    }
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        popoverTarget={id}
      >
        {children}
      </button>
      <div
        ref={list}
        id={id}
        className="menu"
        popover="auto"
        role="menu"
        aria-label={label}
        onToggle={toggled}
        onKeyDown={moved}
        tabIndex={-1}
      >
        {items.map((item) => (
          <button
            key={item.label}
            type="button"
            role="menuitem"
            tabIndex={-1}
            disabled={item.disabled}
            className={item.tone === 'danger' ? 'menu-item menu-danger' : 'menu-item'}
            onClick={() => {
              list.current!.hidePopover();
              button.current!.focus(); // so that a dialog gives the focus back to a thing that is still there
              item.onSelect();
            }}
          >
            {item.icon && <item.icon />}
            {item.label}
          </button>
        ))}
      </div>
    </>
  );
}

/** Beneath the button, or above it where there is more room; always inside the window. */
function place(list: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect();
  const size = list.getBoundingClientRect();
  const below = at.bottom + 6 + size.height <= innerHeight - 8 || at.top < innerHeight / 2;
  const top = below ? at.bottom + 6 : at.top - 6 - size.height;
  const left = at.left + at.width / 2 < innerWidth / 2 ? at.left : at.right - size.width;
  list.style.top = `${Math.max(8, Math.min(top, innerHeight - size.height - 8))}px`;
  list.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
  list.dataset['placed'] = '';
}

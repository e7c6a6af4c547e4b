/** Buttons: one with words, one with an icon alone whose words are its label. */

import './button.css';
import type { ButtonHTMLAttributes, ReactElement, Ref } from 'react';
import type { Icon } from './icons.tsx';

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'type'> {
  readonly tone?: 'primary' | 'plain' | 'quiet' | 'danger';
  readonly size?: 'medium' | 'small' | 'large';
  readonly icon?: Icon;
  /** Something is under way: it cannot be pressed, stays where the focus is, and says so. */
  readonly busy?: boolean;
  readonly submit?: boolean;
  readonly ref?: Ref<HTMLButtonElement>;
}

export function Button({
  tone = 'plain',
  size = 'medium',
  icon: Icon,
  busy = false,
  submit = false,
  className = '',
  children,
  onClick,
  ...rest
}: ButtonProps): ReactElement {
  return (
    <button
      {...rest}
      type={submit ? 'submit' : 'button'}
      className={`button button-${tone} button-${size} ${className}`}
      aria-busy={busy}
      aria-disabled={busy || undefined}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : Icon && <Icon />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'type' | 'children'> {
  /** What it does, in words: its accessible name and its tooltip. */
  readonly label: string;
  readonly icon: Icon;
  readonly ref?: Ref<HTMLButtonElement>;
}

export function IconButton({ label, icon: Icon, className = '', ...rest }: IconButtonProps): ReactElement {
  return (
    <button {...rest} type="button" className={`icon-button ${className}`} aria-label={label} title={label}>
      <Icon />
    </button>
  );
}

/** A picture made from a name: its first letters on a colour that stays with it. Decoration: the name stands beside it. */

import './avatar.css';
import type { CSSProperties, ReactElement } from 'react';
import { hue, initials } from './names.ts';

/** The letters are drawn by the style sheet, so that they are no part of the name of a button that holds them. */
export function Avatar({ name, className = '' }: { readonly name: string; readonly className?: string }): ReactElement {
  return (
    <span
      className={`avatar ${className}`}
      style={{ '--hue': hue(name) } as CSSProperties}
      data-initials={initials(name)}
      aria-hidden="true"
    />
  );
}

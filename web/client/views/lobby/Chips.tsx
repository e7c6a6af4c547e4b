/** A field that holds chips, each with a button that takes it away, and the control that adds another. */

import type { ReactElement, ReactNode } from 'react';
import { Close } from '../../../shared/ui/icons.tsx';

interface ChipsProps {
  readonly items: readonly { readonly key: string; readonly label: string }[];
  readonly onRemove: (key: string) => void;
  readonly children: ReactNode;
}

export function Chips({ items, onRemove, children }: ChipsProps): ReactElement {
  return (
    <div className="chip-field">
      {items.map(({ key, label }) => (
        <span key={key} className="chip chip-removable">
          <bdi>{label}</bdi>
          <button type="button" aria-label={`Remove ${label}`} onClick={() => onRemove(key)}>
            <Close />
          </button>
        </span>
      ))}
      {children}
    </div>
  );
}

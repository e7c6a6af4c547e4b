/** Words that may hurt to read: covered until asked for, one by one. */

import { type ReactElement, useState } from 'react';
import { Button } from '../../shared/ui/Button.tsx';

interface CoveredProps {
  readonly text: string;
  /** What is under the cover, such as "Comment". */
  readonly what: string;
  /** What it is about, so that one knows before one looks. */
  readonly category: string;
  readonly quoted?: boolean;
}

export function Covered({ text, what, category, quoted = false }: CoveredProps): ReactElement {
  const [shown, setShown] = useState(false);
  return (
    <div className="covered">
      {shown ? (
        <blockquote className={quoted ? 'words words-quoted' : 'words'} dir="auto">
          {text}
        </blockquote>
      ) : (
        <div className="cover">
          <span>
            {what} about <strong>{category.toLowerCase()}</strong>, {[...text].length} characters
          </span>
        </div>
      )}
      <Button tone="quiet" size="small" aria-expanded={shown} onClick={() => setShown(!shown)}>
        {shown ? 'Cover' : `Show ${what.toLowerCase()}`}
      </Button>
    </div>
  );
}

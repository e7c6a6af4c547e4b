/** The heading of a view. It takes the focus when the view comes, so that a screen reader says where one is. */

import { type ReactElement, type ReactNode, useEffect, useRef } from 'react';

interface HeadingProps {
  readonly children: ReactNode;
  readonly className?: string;
  /** Also the title of the page, before the name of the product. */
  readonly title: string;
  /** Off where something else in the view is to have the focus. */
  readonly focus?: boolean;
}

export function Heading({ children, className = '', title, focus = true }: HeadingProps): ReactElement {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Parley`;
  }, [title]);
  useEffect(() => {
    if (focus) ref.current!.focus({ preventScroll: true });
  }, [focus]);
  return (
    <h1 ref={ref} tabIndex={-1} className={`heading ${className}`}>
      {children}
    </h1>
  );
}

/** The room that the address asks for: `#/join/CODE`. */

import { useEffect, useState } from 'react';

export interface Invitation {
  readonly code: string | null;
  /** After the person joined or declined: a reload does not ask again. */
  readonly forget: () => void;
}

export function useInvitation(): Invitation {
  const [code, setCode] = useState(invited);
  useEffect(() => {
    const changed = (): void => setCode(invited());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return {
    code,
    forget: () => {
      if (location.hash) history.replaceState(null, '', location.pathname + location.search);
      setCode(null);
    },
  };
}

export function inviteLink(code: string): string {
  return `${location.origin}/#/join/${encodeURIComponent(code)}`;
}

function invited(): string | null {
  const code = /^#\/join\/([^/]{1,200})$/.exec(location.hash)?.[1];
  try {
    return code ? decodeURIComponent(code) : null;
  } catch {
    return null; // a stray percent sign
  }
}

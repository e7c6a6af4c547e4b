/** The bar above the lobby: the name of the product, how many are here, and the account. */

import type { ReactElement } from 'react';
import { Brand } from '../Brand.tsx';
import { useClientState } from '../client.ts';
import { count } from '../words.ts';
import { AccountMenu } from './Account.tsx';

export function Header(): ReactElement {
  return (
    <header className="header">
      <Brand />
      <LiveStats />
      <AccountMenu />
    </header>
  );
}

export function LiveStats(): ReactElement | null {
  const { stats } = useClientState();
  if (!stats) return null;
  return (
    <ul className="live-stats" aria-label="Right now">
      <li>
        <span className="live-dot" aria-hidden="true" />
        <strong>{count(stats.online)}</strong> online
      </li>
      <li>
        <strong>{count(stats.waiting)}</strong> waiting
      </li>
      <li>
        <strong>{count(stats.inCall)}</strong> talking
      </li>
    </ul>
  );
}

/** How views reach the client: by context, so that a view takes what it shows and nothing passes through the ones between. */

import { createContext, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import type { Client, State } from '../state.ts';

export const ClientContext = createContext<Client | null>(null);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('A view is shown outside its client.');
  return client;
}

export function useClientState(): State {
  const client = useClient();
  return useSyncExternalStore(client.subscribe, client.state);
}

/** The present, renewed every `every` milliseconds while the view is shown. */
export function useNow(every: number): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

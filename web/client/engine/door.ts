/** How many people are there, for somebody at the door: asked over HTTP, since who is not signed in has no socket. */

import { post } from '../../shared/session.ts';
import { OnlineDocument } from '../generated.ts';
import type { Store } from './store.ts';

const EVERY_MS = 15_000;

/** Asks at once and every 15 s, while the door is shown and somebody can see it. */
export function countAtDoor(store: Store): void {
  let timer: ReturnType<typeof setInterval> | undefined;
  const shown = (): boolean => store.state().place.at === 'door';

  async function look(): Promise<void> {
    if (document.visibilityState !== 'visible') return;
    try {
      const { stats } = await post(`${location.origin}/graphql`, OnlineDocument, {});
      if (shown()) store.set({ stats });
    } catch {
      // Those of last time stay.
    }
  }

  function changed(): void {
    if (shown() === (timer !== undefined)) return;
    clearInterval(timer);
    timer = shown() ? setInterval(() => void look(), EVERY_MS) : undefined;
    if (shown()) void look();
  }

  store.subscribe(changed);
  document.addEventListener('visibilitychange', () => {
    if (shown()) void look();
  });
  changed();
}

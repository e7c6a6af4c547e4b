/** Which view the address names, after its `#`: links and the back button do the rest. */

import { useSyncExternalStore } from 'react';

export type View = 'cases' | 'appeals' | 'audit' | 'dashboard';

export interface Route {
  readonly view: View;
  /** The case that is open beside a list. */
  readonly id: string | null;
  /** Which part of the list or which range: the view's own word. */
  readonly show: string | null;
}

const VIEWS: readonly View[] = ['cases', 'appeals', 'audit', 'dashboard'];

export function routeOf(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?');
  const [name, id] = path.split('/');
  const view = VIEWS.find((each) => each === name) ?? 'cases';
  return { view, id: id ? decodeURIComponent(id) : null, show: new URLSearchParams(search).get('show') };
}

export function link(view: View, { id, show }: { id?: string | null; show?: string | null } = {}): string {
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ''}${show ? `?show=${encodeURIComponent(show)}` : ''}`;
}

function subscribe(changed: () => void): () => void {
  addEventListener('hashchange', changed);
  return () => removeEventListener('hashchange', changed);
}

/** The present one; whoever uses it renders again when it changes. */
export function useRoute(): Route {
  return routeOf(useSyncExternalStore(subscribe, () => location.hash));
}

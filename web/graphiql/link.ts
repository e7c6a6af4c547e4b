/** An operation in the page's address, as the reference under /docs links to it. */

export type Link = { query: string; variables: string; operationName: string | null };

/** What `?query=...&variables=...&operationName=...` asks for; null without a query. It is opened, never run: a link is somebody else's. */
export function linked(search: string): Link | null {
  const asked = new URLSearchParams(search);
  const query = asked.get('query');
  if (!query) return null;
  return { query, variables: indented(asked.get('variables') ?? ''), operationName: asked.get('operationName') };
}

/** As `linked`, of this page. Taken away from the address, so that loading it again shows what was made of it since. */
export function taken(): Link | null {
  const link = linked(location.search);
  if (location.search) history.replaceState(history.state, '', location.pathname);
  return link;
}

function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json; // The editor shows what is wrong with it.
  }
}

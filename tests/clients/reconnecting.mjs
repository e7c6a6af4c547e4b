import { createClient } from 'graphql-ws';

/**
 * `freshAccessToken` refreshes when it must, tries again while the network fails, and throws an `Error` when the session has ended;
 * `lastCursor` is that of the last event that was handled.
 */
export function connect(url, freshAccessToken, lastCursor) {
  return createClient({
    url,
    connectionParams: async () => ({ authorization: `Bearer ${await freshAccessToken()}`, after: lastCursor() }),
    retryAttempts: Infinity,
    retryWait: pause,
    // A refused reconnection surfaces as an Event, and by default ends the client for good: only what was thrown shall.
    shouldRetry: (fault) => !(fault instanceof Error),
  });
}

/** Longer each time, for half a minute at most: by default it grows without bound. */
export function pause(retries) {
  const longest = Math.min(30_000, 1000 * 2 ** retries);
  return new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
}

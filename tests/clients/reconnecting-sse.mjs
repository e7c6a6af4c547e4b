import { createClient } from 'graphql-sse';

import { pause } from './reconnecting.mjs'; // as above

export function connect(url, freshAccessToken, lastCursor) {
  return createClient({
    url,
    headers: async () => ({ authorization: `Bearer ${await freshAccessToken()}`, 'last-event-id': lastCursor() ?? '' }),
    retryAttempts: Infinity,
    retry: pause,
  });
}

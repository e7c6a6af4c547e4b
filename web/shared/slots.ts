/** Which account a tab has: two tabs of one browser are two people, and a tab that is reloaded stays who it was. */

/** A tab that is reloaded waits so long for its own document before it to let go. */
const RELOAD_MS = 1500;
const SLOTS = 100;

/**
 * The key under which this tab keeps its account: that of last time if it is free, else the first that no other tab has. It is this
 * tab's until it closes, by a Web Lock. Without locks, over plain http, a tab has a key of its own, which a duplicated tab shares.
 */
export async function takeSlot(
  prefix: string,
  remembered: Storage = sessionStorage,
  locks: LockManager | null = navigator.locks ?? null,
  reloadMs = RELOAD_MS,
): Promise<string> {
  const last = remembered.getItem(prefix);
  const key = await free(prefix, last, locks, reloadMs);
  remembered.setItem(prefix, key);
  return key;
}

async function free(prefix: string, last: string | null, locks: LockManager | null, reloadMs: number): Promise<string> {
  if (locks === null) return last ?? `${prefix}.${randomId()}`;
  if (last !== null && (await hold(locks, last, { signal: AbortSignal.timeout(reloadMs) }))) return last;
  for (let slot = 0; slot < SLOTS; slot++) {
    const key = `${prefix}.${slot}`;
    if (await hold(locks, key, { ifAvailable: true })) return key;
  }
  return `${prefix}.${randomId()}`;
}

/** Whether the lock is this page's from now on. */
function hold(locks: LockManager, key: string, options: LockOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const held = locks.request(key, options, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise<never>(() => {});
    });
    held.catch(() => resolve(false)); // The wait for it was over.
  });
}

/** 128 random bits in hexadecimal; unlike `crypto.randomUUID` also where a page came over plain http. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

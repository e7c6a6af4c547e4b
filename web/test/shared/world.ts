/** What a browser has and Node has not. */

/** Storage in memory. */
export class Memory implements Storage {
  readonly #items = new Map<string, string>();

  get length(): number {
    return this.#items.size;
  }

  clear(): void {
    this.#items.clear();
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }

  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }
}

/** The exclusive locks of one browser. A page gets its own `page()`, which `close` ends. */
export class Locks {
  readonly #held = new Set<string>();
  readonly #waiting: (() => void)[] = [];

  page(): { readonly locks: LockManager; close(): void } {
    const own: string[] = [];
    const request = async (
      name: string,
      options: LockOptions,
      work: (lock: Lock | null) => unknown,
    ): Promise<unknown> => {
      while (this.#held.has(name)) {
        if (options.ifAvailable) return work(null);
        options.signal?.throwIfAborted();
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
          options.signal?.addEventListener('abort', () => resolve());
        });
      }
      this.#held.add(name);
      own.push(name);
      return work({ name, mode: 'exclusive' });
    };
    const close = (): void => {
      for (const name of own.splice(0)) this.#held.delete(name);
      for (const wake of this.#waiting.splice(0)) wake();
    };
    return { locks: { request } as unknown as LockManager, close };
  }
}

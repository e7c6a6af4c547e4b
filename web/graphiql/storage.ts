/** What GraphiQL keeps in localStorage. Headers hold tokens: they are kept only by whoever chose so in the settings. */

const PREFIX = 'graphiql:';
const CHOICE = `${PREFIX}shouldPersistHeaders`;

/** Whether the person at this browser chose to keep headers. */
export const keepsHeaders = (): boolean => localStorage.getItem(CHOICE) === 'true';

/** The history writes headers down whatever was chosen; here they are left out of it. */
export const storage = {
  getItem: (key: string): string | null => localStorage.getItem(key),
  setItem(key: string, value: string): void {
    const hidden = (key === `${PREFIX}queries` || key === `${PREFIX}favorites`) && !keepsHeaders();
    localStorage.setItem(key, hidden ? withoutHeaders(value) : value);
  },
  removeItem: (key: string): void => localStorage.removeItem(key),
  clear(): void {
    for (const key of ours()) localStorage.removeItem(key);
  },
  get length(): number {
    return ours().length;
  },
};

/** The same JSON without the value of any field named `headers`. */
export const withoutHeaders = (json: string): string =>
  JSON.stringify(JSON.parse(json), (key, value) => (key === 'headers' ? undefined : value));

const ours = (): string[] => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));

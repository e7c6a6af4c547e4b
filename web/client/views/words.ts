/** Numbers, times and lists as people read them, in the language of their browser where it has one. */

const numbers = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const lists = new Intl.ListFormat('en', { type: 'conjunction' });

export const count = (value: number): string => numbers.format(value);
export const timeOfDay = (date: Date): string => clock.format(date);
export const dateAndTime = (date: Date): string => moment.format(date);
export const listed = (items: readonly string[]): string => lists.format(items);

/** `1 person`, `1,204 people`. */
export function counted(value: number, one: string, many: string): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `0:07`, `12:40`, `1:02:03`: how long since. */
export function elapsed(since: Date, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - since.getTime()) / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** `10 seconds`, `a minute and a half`: for whole seconds up to a few minutes. */
export function duration(seconds: number): string {
  if (seconds < 60) return counted(Math.round(seconds), 'second', 'seconds');
  const minutes = Math.floor(seconds / 60);
  const rest = Math.round(seconds % 60);
  const whole = counted(minutes, 'minute', 'minutes');
  return rest === 0 ? whole : `${whole} ${rest} s`;
}

let names: Intl.DisplayNames | null = null;

/** The name of a BCP 47 tag in the viewer's language; the tag itself where there is none. */
export function languageName(tag: string): string {
  names ??= new Intl.DisplayNames(undefined, { type: 'language' });
  try {
    return names.of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** What its own speakers call a language; the tag itself where the browser does not know. */
export function ownName(tag: string): string {
  try {
    return new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** Where the marks of an axis stand. Pure. */

/** From 0 up to at least `most`, in about `count` steps of 1, 2 or 5 times a power of ten; `whole` for what is counted. */
export function valueTicks(most: number, count: number, whole: boolean): readonly number[] {
  const rough = Math.max(most, Number.MIN_VALUE) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999)!;
  const fair = most <= 0 ? 1 : whole ? Math.max(1, step) : step;
  const steps = Math.max(1, Math.ceil((most / fair) * 0.999));
  return Array.from({ length: steps + 1 }, (_, place) => Number((place * fair).toPrecision(6)));
}

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const STEPS: readonly number[] = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720]
  .map((minutes) => minutes * MINUTE)
  .concat([1, 2, 5, 7, 10].map((days) => days * DAY));

/** Round times between two, on the clock and the calendar of whoever looks, at most `count` of them. */
export function timeTicks(from: number, to: number, count: number): readonly number[] {
  const step = STEPS.find((each) => (to - from) / each <= count) ?? STEPS.at(-1)!;
  const at = new Date(from);
  at.setHours(0, 0, 0, 0);
  const ticks: number[] = [];
  while (at.getTime() <= to) {
    if (at.getTime() >= from) ticks.push(at.getTime());
    if (step < DAY) at.setTime(at.getTime() + step);
    else at.setDate(at.getDate() + step / DAY); // a day may have 23 hours
  }
  return ticks;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/** The label of such a mark. */
export function tickWords(at: number, lengthMs: number): string {
  if (lengthMs <= DAY) return clock.format(at);
  return (lengthMs <= 8 * DAY ? weekday : day).format(at);
}

/** A number without more digits than matter. */
export function figure(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString();
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 1 ? 2 : 1 });
}

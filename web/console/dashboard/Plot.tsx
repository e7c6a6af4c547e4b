/** A plot over time in SVG: lines with gaps where nothing was recorded, or bars; a readout under the pointer and by keys; a table. */

import { type KeyboardEvent, type PointerEvent, type ReactElement, useEffect, useRef, useState } from 'react';
import { Marks } from './Marks.tsx';
import type { Range } from './ranges.ts';
import { figure, tickWords, timeTicks, valueTicks } from './scale.ts';
import { Table } from './Table.tsx';

export interface Series {
  readonly label: string;
  /** Which of the plot's colours, dashes and hatches: 1 to 4. */
  readonly look: 1 | 2 | 3 | 4;
  /** One for each time; null is a gap. */
  readonly values: readonly (number | null)[];
}

export interface PlotProps {
  readonly title: string;
  readonly unit: string;
  readonly kind: 'lines' | 'bars';
  readonly range: Range;
  /** When each point begins, in order, one each `range.stepMs`. */
  readonly times: readonly number[];
  /** Bars stand on each other in this order. */
  readonly series: readonly Series[];
  /** Counted things have no halves. */
  readonly whole?: boolean;
}

const HEIGHT = 190;
const BOX = { left: 40, right: 12, top: 10, bottom: 24 };

/** Places in pixels of the picture. */
export interface Frame {
  readonly x: (time: number) => number;
  readonly y: (value: number) => number;
  readonly width: number;
  readonly bottom: number;
}

export function Plot(props: PlotProps): ReactElement {
  const { title, unit, kind, range, times, series, whole = false } = props;
  const [width, box] = useWidth();
  const [at, setAt] = useState<number | null>(null);
  const from = times[0] ?? 0;
  const to = (times.at(-1) ?? 0) + range.stepMs;
  const sums = times.map((_, place) => series.map(({ values }) => values[place] ?? 0));
  const most = Math.max(0, ...sums.map((all) => (kind === 'bars' ? all.reduce((a, b) => a + b, 0) : Math.max(...all))));
  const ticks = valueTicks(most, 4, whole);
  const inner = Math.max(1, width - BOX.left - BOX.right);
  const bottom = HEIGHT - BOX.bottom;
  const frame: Frame = {
    x: (time) => BOX.left + ((time - from) / (to - from)) * inner,
    y: (value) => bottom - (value / ticks.at(-1)!) * (bottom - BOX.top),
    width: (range.stepMs / (to - from)) * inner,
    bottom,
  };
  const last = lastKnown(series);
  const shown = at ?? last;
  const point = (event: PointerEvent): void => {
    const { left } = event.currentTarget.getBoundingClientRect();
    const place = Math.floor(((event.clientX - left - BOX.left) / inner) * times.length);
    setAt(Math.min(times.length - 1, Math.max(0, place)));
  };
  const press = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -times.length, End: times.length }[
      event.key
    ];
    if (event.key === 'Escape') setAt(null);
    if (step === undefined) return;
    event.preventDefault();
    setAt(Math.min(times.length - 1, Math.max(0, (at ?? last) + step)));
  };
  return (
    <figure className="plot">
      <figcaption>
        <h2>
          {title} <small>{unit}</small>
        </h2>
        <p className="plot-when">
          {at === null ? `latest, ${timeWords(times[shown], range)}` : timeWords(times[shown], range)}
        </p>
        <ul className="legend">
          {series.map(({ label, look, values }) => (
            <li key={label}>
              <svg className="swatch" viewBox="0 0 18 10" aria-hidden="true">
                {kind === 'bars' ? (
                  <rect className={`fill-${look}`} width="18" height="10" rx="2" />
                ) : (
                  <path className={`line line-${look}`} d="M0 5h18" />
                )}
              </svg>
              {label} <strong className="figures">{valueWords(values[shown] ?? null)}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        ref={box}
        className="plot-box"
        role="slider"
        tabIndex={0}
        aria-label={`${title}, ${unit}: left and right read it`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={shown}
        aria-valuetext={`${timeWords(times[shown], range)}: ${series.map(({ label, values }) => `${label} ${valueWords(values[shown] ?? null)}`).join(', ')}`}
        onKeyDown={press}
        onBlur={() => setAt(null)}
        onPointerMove={point}
        onPointerLeave={() => setAt(null)}
      >
        <svg width={width} height={HEIGHT} aria-hidden="true">
          {ticks.map((tick) => (
            <g key={tick}>
              <line className="grid" x1={BOX.left} x2={width - BOX.right} y1={frame.y(tick)} y2={frame.y(tick)} />
              <text className="tick" x={BOX.left - 6} y={frame.y(tick) + 4} textAnchor="end">
                {figure(tick)}
              </text>
            </g>
          ))}
          {timeTicks(from, to, Math.max(2, Math.floor(inner / 64))).map((tick) => (
            <text key={tick} className="tick" x={frame.x(tick)} y={HEIGHT - 6} textAnchor="middle">
              {tickWords(tick, range.lengthMs)}
            </text>
          ))}
          <Marks kind={kind} times={times} series={series} frame={frame} at={at} />
        </svg>
      </div>
      <Table title={title} times={times} series={series} words={(time) => timeWords(time, range)} />
    </figure>
  );
}

/** The last point of which anything was recorded. */
function lastKnown(series: readonly Series[]): number {
  const places = series.map(({ values }) => values.findLastIndex((value) => value !== null));
  return Math.max(0, ...places);
}

export function valueWords(value: number | null): string {
  return value === null ? '–' : figure(value);
}

const full = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hour12: false,
});
const utcDay = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
});
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });

function timeWords(time: number | undefined, { resolution }: Range): string {
  if (time === undefined) return '';
  if (resolution === 'DAY') return `${utcDay.format(time)} (UTC)`;
  return (resolution === 'MINUTE' ? clock : full).format(time);
}

function useWidth(): [number, React.RefObject<HTMLDivElement | null>] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(320);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return [width, box];
}

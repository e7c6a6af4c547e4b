/** What is drawn inside a plot: lines or bars, where nothing was recorded, and the place that is read. */

import type { ReactElement } from 'react';
import type { Frame, PlotProps, Series } from './Plot.tsx';

interface MarksProps extends Pick<PlotProps, 'kind' | 'times' | 'series'> {
  readonly frame: Frame;
  /** The point that is read. */
  readonly at: number | null;
}

export function Marks({ kind, times, series, frame, at }: MarksProps): ReactElement {
  const middle = (place: number): number => frame.x(times[place]!) + frame.width / 2;
  return (
    <>
      {gaps(series, times.length).map(([first, end]) => (
        <rect
          key={first}
          className="gap"
          x={frame.x(times[first]!)}
          y={10}
          width={(end - first) * frame.width}
          height={frame.bottom - 10}
        />
      ))}
      {at !== null && <line className="cursor" x1={middle(at)} x2={middle(at)} y1={10} y2={frame.bottom} />}
      {kind === 'lines'
        ? series.map((each) => (
            <path key={each.label} className={`line line-${each.look}`} d={path(each, middle, frame)} />
          ))
        : times.map((time, place) => <Bar key={time} series={series} place={place} x={frame.x(time)} frame={frame} />)}
      {at !== null &&
        kind === 'lines' &&
        series.map(({ label, look, values }) => {
          const value = values[at] ?? null;
          return value === null ? null : (
            <circle key={label} className={`dot dot-${look}`} cx={middle(at)} cy={frame.y(value)} r={4} />
          );
        })}
    </>
  );
}

/** A stroke through what was recorded, begun anew behind each gap; a point alone is a short dash. */
function path({ values }: Series, middle: (place: number) => number, { y, width }: Frame): string {
  let pen = '';
  values.forEach((value, place) => {
    if (value === null) return;
    const alone = (values[place - 1] ?? null) === null && (values[place + 1] ?? null) === null;
    const begins = (values[place - 1] ?? null) === null;
    const x = middle(place);
    if (alone) pen += `M${x - Math.max(2, width / 2)} ${y(value)}h${Math.max(4, width)}`;
    else pen += `${begins ? 'M' : 'L'}${x.toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return pen;
}

function Bar({
  series,
  place,
  x,
  frame,
}: {
  series: readonly Series[];
  place: number;
  x: number;
  frame: Frame;
}): ReactElement {
  const space = frame.width > 4 ? 1 : 0;
  let below = 0;
  return (
    <>
      {series.map(({ label, look, values }) => {
        const value = values[place] ?? 0;
        if (value === 0) return null;
        const top = frame.y(below + value);
        const height = frame.y(below) - top;
        below += value;
        return (
          <rect
            key={label}
            className={`fill-${look}`}
            x={x + space / 2}
            y={top}
            width={frame.width - space}
            height={height}
          />
        );
      })}
    </>
  );
}

/** Stretches, from a point to before another, of which no series knows anything. */
function gaps(series: readonly Series[], count: number): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (let place = 0; place < count; place++) {
    if (series.some(({ values }) => (values[place] ?? null) !== null)) continue;
    const last = found.at(-1);
    if (last?.[1] === place) last[1] = place + 1;
    else found.push([place, place + 1]);
  }
  return found;
}

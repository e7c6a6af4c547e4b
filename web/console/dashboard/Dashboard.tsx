/** How busy the service is, now and over time. */

import { type ReactElement, useEffect, useMemo, useState } from 'react';
import { useAsked } from '../asked.ts';
import { useDesk } from '../desk.tsx';
import { FiguresDocument, type FiguresQuery, LiveStatsDocument, type LiveStatsSubscription } from '../generated.ts';
import { Failed, Loading, useNow, useTitle } from '../parts.tsx';
import { link } from '../route.ts';
import { Plot } from './Plot.tsx';
import { RANGES, type Range } from './ranges.ts';
import { figure } from './scale.ts';

type Point = FiguresQuery['figures'][number];

const MINUTE_MS = 60_000;
/** A minute is recorded at its end. */
const RECORDED_MS = 3_000;

/** `show` is the name of a range. */
export function Dashboard({ show }: { readonly show: string | null }): ReactElement {
  const range = RANGES.find(({ name }) => name === show) ?? RANGES[0]!;
  useTitle('Dashboard');
  return (
    <main className="page page-wide">
      <div className="page-head">
        <h1>Dashboard</h1>
        <nav className="filters" aria-label="Range">
          {RANGES.map((each) => (
            <a
              key={each.name}
              className="pill"
              href={link('dashboard', { show: each.name })}
              aria-current={each === range ? 'true' : undefined}
            >
              {each.label}
            </a>
          ))}
        </nav>
      </div>
      <Now />
      <Plots key={range.name} range={range} />
    </main>
  );
}

/** By `stats`, which is about a second old. */
function Now(): ReactElement {
  const { api } = useDesk();
  const [stats, setStats] = useState<LiveStatsSubscription['stats'] | null>(null);
  // A failure of the socket is told by the frame around the view.
  useEffect(
    () =>
      api.follow(
        LiveStatsDocument,
        {},
        ({ stats: now }) => setStats(now),
        () => setStats(null),
      ),
    [api],
  );
  const wait = stats?.medianWaitSeconds;
  const tiles: [string, string][] = [
    ['Online', stats ? figure(stats.online) : '–'],
    ['Waiting', stats ? figure(stats.waiting) : '–'],
    ['In call', stats ? figure(stats.inCall) : '–'],
    ['Matches, last hour', stats ? figure(stats.matchesLastHour) : '–'],
    ['Median wait, last hour', wait == null ? '–' : `${figure(wait)} s`],
  ];
  return (
    <dl className="tiles" aria-label="Now">
      {tiles.map(([name, value]) => (
        <div key={name} className="tile">
          <dt>{name}</dt>
          <dd className="figures">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Plots({ range }: { readonly range: Range }): ReactElement {
  const minute = Math.floor((useNow(1000) - RECORDED_MS) / MINUTE_MS) * MINUTE_MS;
  const end = Math.floor(minute / range.stepMs) * range.stepMs + (range.stepMs > MINUTE_MS ? range.stepMs : 0);
  const since = end - range.lengthMs;
  const { data, problem, reload } = useAsked(FiguresDocument, {
    since: new Date(since).toISOString(),
    resolution: range.resolution,
  });
  // The last point of a coarse range goes on: it is asked for again each minute.
  const [asked, setAsked] = useState(minute);
  useEffect(() => {
    if (asked === minute) return;
    setAsked(minute);
    void reload();
  }, [asked, minute, reload]);
  const [kept, setKept] = useState(data);
  useEffect(() => {
    if (data) setKept(data);
  }, [data]);
  const figures = (data ?? kept)?.figures;
  const { times, of } = useMemo(() => laidOut(figures ?? [], since, end, range.stepMs), [figures, since, end, range]);
  if (problem && !figures) return <Failed problem={problem} onRetry={() => void reload()} />;
  if (!figures) return <Loading what="figures" />;
  const common = { range, times };
  return (
    <>
      {problem && <Failed problem={problem} onRetry={() => void reload()} />}
      <div className="plots">
        <Plot
          {...common}
          title="People"
          unit={range.stepMs > MINUTE_MS ? `average of ${range.per}` : 'people'}
          kind="lines"
          series={[
            { label: 'online', look: 1, values: of((point) => point.online) },
            { label: 'waiting', look: 2, values: of((point) => point.waiting) },
            { label: 'in call', look: 3, values: of((point) => point.inCall) },
          ]}
        />
        <Plot
          {...common}
          title="Matches"
          unit="per minute"
          kind="lines"
          series={[
            {
              label: 'matches',
              look: 1,
              values: of((point) => (point.minutes > 0 ? point.matches / point.minutes : null)),
            },
          ]}
        />
        <Plot
          {...common}
          title="Median wait"
          unit="seconds"
          kind="lines"
          series={[{ label: 'wait', look: 2, values: of((point) => point.typicalWaitSeconds) }]}
        />
        <Plot
          {...common}
          title="Reports"
          unit={`per ${range.per}`}
          kind="bars"
          whole
          series={[{ label: 'reports', look: 2, values: of((point) => point.reports) }]}
        />
        <Plot
          {...common}
          title="Decisions"
          unit={`per ${range.per}`}
          kind="bars"
          whole
          series={[
            { label: 'dismissed', look: 1, values: of((point) => point.dismissals) },
            { label: 'warned', look: 4, values: of((point) => point.warnings) },
            { label: 'suspended', look: 2, values: of((point) => point.suspensions) },
          ]}
        />
        <Plot
          {...common}
          title="Holds and appeals"
          unit={`per ${range.per}`}
          kind="bars"
          whole
          series={[
            { label: 'holds by rules', look: 3, values: of((point) => point.holds) },
            { label: 'appeals', look: 4, values: of((point) => point.appeals) },
          ]}
        />
      </div>
      <p className="quiet">
        Shaded: nothing was recorded, or of waits nobody was matched. Figures are kept for 30 days and name nobody.
      </p>
    </>
  );
}

interface Laid {
  readonly times: readonly number[];
  readonly of: (value: (point: Point) => number | null) => readonly (number | null)[];
}

/** Every time of the range, also those of which nothing was recorded. */
function laidOut(figures: readonly Point[], since: number, end: number, stepMs: number): Laid {
  const found = new Map(figures.map((point) => [Date.parse(point.at), point]));
  const first = Math.floor(since / stepMs) * stepMs;
  const times = Array.from({ length: Math.round((end - first) / stepMs) }, (_, place) => first + place * stepMs);
  const points = times.map((time) => found.get(time));
  return { times, of: (value) => points.map((point) => (point === undefined ? null : value(point))) };
}

/** How far back the plots look, and how finely. */

import type { FigureResolution } from '../generated.ts';

export interface Range {
  /** In the address. */
  readonly name: string;
  readonly label: string;
  readonly lengthMs: number;
  readonly resolution: FigureResolution;
  /** How much time a point sums up. */
  readonly stepMs: number;
  readonly per: string;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const RANGES: readonly Range[] = [
  { name: '1h', label: '1 h', lengthMs: HOUR, resolution: 'MINUTE', stepMs: MINUTE, per: 'minute' },
  { name: '24h', label: '24 h', lengthMs: DAY, resolution: 'TEN_MINUTES', stepMs: 10 * MINUTE, per: '10 min' },
  { name: '7d', label: '7 d', lengthMs: 7 * DAY, resolution: 'HOUR', stepMs: HOUR, per: 'hour' },
  { name: '30d', label: '30 d', lengthMs: 30 * DAY, resolution: 'DAY', stepMs: DAY, per: 'day' },
];

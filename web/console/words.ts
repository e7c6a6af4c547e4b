/** What the console calls things. */

import type {
  CaseDecision,
  CaseFilePartsFragment,
  CaseRowFragment,
  CaseStatus,
  ReportCategory,
  SuspensionScope,
} from './generated.ts';

export const CATEGORY: Readonly<Record<ReportCategory, string>> = {
  CHILD_SAFETY: 'Child safety',
  MINOR_WITH_ADULT: 'Minor with adult',
  SEXTORTION: 'Sextortion',
  SEXUAL_CONTENT: 'Sexual content',
  VIOLENCE_OR_THREAT: 'Violence or threat',
  SELF_HARM: 'Self-harm',
  HATE: 'Hate',
  HARASSMENT: 'Harassment',
  SPAM_OR_SCAM: 'Spam or scam',
  IMPERSONATION: 'Impersonation',
  PRIVACY: 'Privacy',
  OTHER: 'Other',
};

export const STATUS: Readonly<Record<CaseStatus, string>> = {
  OPEN: 'Open',
  CLAIMED: 'Claimed',
  ACTIONED: 'Acted on',
  DISMISSED: 'Dismissed',
  APPEALED: 'Appealed',
  UPHELD: 'Appeal turned down',
  OVERTURNED: 'Overturned',
};

export const DECISION: Readonly<Record<CaseDecision, string>> = {
  DISMISS: 'Dismiss',
  WARN: 'Warn',
  SUSPEND: 'Suspend',
};
export const DECIDED: Readonly<Record<CaseDecision, string>> = {
  DISMISS: 'Dismissed',
  WARN: 'Warned',
  SUSPEND: 'Suspended',
};
export const SCOPE: Readonly<Record<SuspensionScope, string>> = { ALL: 'everything', MATCHING: 'meeting strangers' };

/** A step of the ladder. */
export type Step = NonNullable<CaseFilePartsFragment['suggestion']>;

/** How soon, by docs/SAFETY.md: 0 to 5 are for now, not for office hours. */
export type Urgency = 'urgent' | 'soon' | 'routine';

export function urgency(priority: number): Urgency {
  if (priority <= 5) return 'urgent';
  return priority <= 11 ? 'soon' : 'routine';
}

export const URGENCY: Readonly<Record<Urgency, string>> = { urgent: 'Urgent', soon: 'Soon', routine: 'Routine' };

/** Of the three priorities of a category the first has proof, the second three reporters. */
export function grounds(priority: number): string | null {
  return ['proved message', 'three or more reporters', null][priority % 3] ?? null;
}

/** What was reported, each category once, and how often. */
export function charges(reports: CaseRowFragment['reports']): { readonly categories: string; readonly count: string } {
  const named = [...new Set(reports.edges.map(({ node }) => CATEGORY[node.report.category]))];
  const count = reports.edges.length;
  const more = reports.pageInfo.hasNextPage;
  return { categories: named.join(', '), count: more ? `${count}+ reports` : plural(count, 'report') };
}

export function plural(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** Whole hours as people say them. */
export function hoursWords(hours: number): string {
  if (hours > 24 && hours % 24 === 0) return plural(hours / 24, 'day');
  return plural(hours, 'hour');
}

/** Between two times of the API. */
export function lengthWords(startsAt: string, endsAt: string | null): string {
  if (endsAt === null) return 'for good';
  const minutes = Math.round((Date.parse(endsAt) - Date.parse(startsAt)) / 60_000);
  return `for ${minutes % 60 === 0 ? hoursWords(minutes / 60) : plural(minutes, 'minute')}`;
}

export function stepWords({ decision, hours, permanent }: Step): string {
  if (decision !== 'SUSPEND') return DECISION[decision].toLowerCase();
  return permanent ? 'suspend for good' : `suspend for ${hoursWords(hours ?? 1)}`;
}

/** How long ago, in one unit. */
export function ageWords(at: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(at)) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${Math.floor(minutes / 1440)} days ago`;
}

/** Minutes and seconds that are left, `0:00` once it is over. */
export function countdown(until: string, now: number): string {
  const seconds = Math.max(0, Math.ceil((Date.parse(until) - now) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

export function atWords(at: string): string {
  return moment.format(new Date(at));
}

export function clockWords(at: string): string {
  return clock.format(new Date(at));
}

/** Enough of an ID to tell two apart at a glance. */
export function short(id: string): string {
  return id.slice(0, 8);
}

/** What the audit log says, in sentences. New actions may come: they are shown as they are. */

import { hoursWords, plural, SCOPE } from '../words.ts';

type Facts = Readonly<Record<string, string>>;

const ROLE: Facts = { ADMIN: 'an admin', MODERATOR: 'a moderator' };

const SENTENCES: Readonly<Record<string, (facts: Facts) => string>> = {
  OPERATOR_ADDED: ({ role }) => `made ${ROLE[role ?? ''] ?? 'an operator'}`,
  OPERATOR_TOKEN_RENEWED: () => 'made a new token',
  OPERATOR_ROLE_CHANGED: ({ role }) => `made somebody ${ROLE[role ?? ''] ?? 'something else'}`,
  OPERATOR_REMOVED: ({ cases }) =>
    `removed an operator${Number(cases) > 0 ? `, who had ${plural(Number(cases), 'case')}` : ''}`,
  OPERATOR_SIGNED_IN: () => 'signed in',
  CASE_CLAIMED: () => 'claimed a case',
  EVIDENCE_VIEWED: () => 'looked at evidence',
  REPORTER_VIEWED: () => 'looked who reported',
  CASE_DECIDED: decided,
  USER_HELD: ({ rule, minutes }) =>
    `held somebody by ${rule === 'EVIDENCE' ? 'a proved message' : 'the weight of reports'} for ${lasting(minutes)}`,
  SUSPENSION_LIFTED: () => 'lifted a suspension',
  APPEAL_DECIDED: ({ outcome }) => (outcome === 'OVERTURNED' ? 'granted an appeal' : 'turned an appeal down'),
  ACCOUNT_DELETED: () => 'deleted their account',
};

/** Short names for the filter. */
export function actionName(action: string): string {
  const words = action.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function actionWords(action: string, details: string | null): string {
  return SENTENCES[action]?.(factsOf(details)) ?? [actionName(action), details].filter(Boolean).join(': ');
}

/** Who did it, where no operator did. */
export function actorWords(action: string, name: string | null): string {
  if (name !== null) return name;
  if (action === 'USER_HELD') return 'A rule';
  if (action === 'ACCOUNT_DELETED') return 'A user';
  return action.startsWith('OPERATOR_') && action !== 'OPERATOR_SIGNED_IN'
    ? 'The command line'
    : 'An account that is gone';
}

/** Of details such as `decision=SUSPEND scope=ALL hours=24`; a word without a value is its own. */
export function factsOf(details: string | null): Facts {
  return Object.fromEntries(
    (details ?? '').split(' ').map((fact) => {
      const [name = '', value = name] = fact.split('=');
      return [name, value];
    }),
  );
}

/** The case that an entry is about, if any. */
export function caseOf(target: string | null, details: string | null): string | null {
  return target?.startsWith('case:') ? target.slice('case:'.length) : (factsOf(details)['case'] ?? null);
}

function decided({ decision, scope, hours, permanent }: Facts): string {
  if (decision === 'DISMISS') return 'dismissed a case';
  if (decision === 'WARN') return 'warned somebody';
  const from = scope === 'ALL' || scope === 'MATCHING' ? ` from ${SCOPE[scope]}` : '';
  return `suspended somebody${from} ${permanent ? 'for good' : `for ${hoursWords(Number(hours))}`}`;
}

function lasting(minutes: string | undefined): string {
  const count = Number(minutes);
  return count % 60 === 0 ? hoursWords(count / 60) : plural(count, 'minute');
}

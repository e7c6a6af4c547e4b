/** What an operator is about to decide, before it is sent. */

import type {
  CaseDecision,
  DecideCaseInput,
  OperatorRole,
  SuspensionDurationInput,
  SuspensionScope,
} from '../generated.ts';
import { hoursWords, SCOPE, type Step } from '../words.ts';

/** The ladder's durations in hours, `other` for one's own, or for good. */
export type Length = '1' | '24' | '168' | '720' | 'other' | 'permanent';
export const LENGTHS: readonly Length[] = ['1', '24', '168', '720', 'other', 'permanent'];
export const MOST_HOURS = 87_600;
export const LONGEST_REASON = 2_000;

export interface Draft {
  readonly decision: CaseDecision;
  readonly scope: SuspensionScope;
  readonly length: Length;
  /** Of `other`, as it was typed. */
  readonly hours: string;
  readonly reason: string;
}

/** What the ladder suggests; nothing is suggested that a category alone does not prove. */
export function drafted(step: Step | null): Draft {
  return { decision: step?.decision ?? 'WARN', scope: 'ALL', length: suggestedLength(step), hours: '', reason: '' };
}

/** Whoever was not even warned gets the shortest, as the server does it. */
export function suggestedLength(step: Step | null): Length {
  if (step?.permanent) return 'permanent';
  return LENGTHS.find((length) => length === String(step?.hours)) ?? '1';
}

/** Moderators suspend for good only where the ladder does. */
export function mayBePermanent(role: OperatorRole, step: Step | null): boolean {
  return role === 'ADMIN' || step?.permanent === true;
}

/** What is wrong with it, by field; empty when it can be sent. */
export function faults({ decision, length, hours, reason }: Draft): {
  readonly reason?: string;
  readonly hours?: string;
} {
  const wrong: { reason?: string; hours?: string } = {};
  const text = reason.trim();
  if (text === '') wrong.reason = 'Say why: the subject reads it.';
  else if (/\[[^\]]*\]/u.test(text)) wrong.reason = 'Fill in what is in brackets.';
  else if ([...text].length > LONGEST_REASON) wrong.reason = `At most ${LONGEST_REASON} characters.`;
  const count = Number(hours);
  if (decision === 'SUSPEND' && length === 'other' && !(Number.isInteger(count) && count >= 1 && count <= MOST_HOURS)) {
    wrong.hours = `1 to ${MOST_HOURS.toLocaleString()} whole hours.`;
  }
  return wrong;
}

/** In hours; null is for good. */
function hoursOf({ length, hours }: Draft): number | null {
  if (length === 'permanent') return null;
  return Number(length === 'other' ? hours : length);
}

export function input(caseId: string, draft: Draft): DecideCaseInput {
  const { decision, scope } = draft;
  const reason = draft.reason.trim();
  if (decision !== 'SUSPEND') return { caseId, decision, reason };
  const hours = hoursOf(draft);
  const duration: SuspensionDurationInput = hours === null ? { permanent: true } : { hours };
  return { caseId, decision, reason, scope, duration };
}

/** What the button does, to whom. */
export function sentence(draft: Draft, name: string): string {
  if (draft.decision === 'DISMISS') return `Dismiss the reports about ${name}`;
  if (draft.decision === 'WARN') return `Warn ${name}`;
  const hours = hoursOf(draft);
  return `Suspend ${name} from ${SCOPE[draft.scope]} ${hours === null ? 'for good' : `for ${hoursWords(hours)}`}`;
}

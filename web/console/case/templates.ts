/** Where a statement of reasons may start: what is in brackets is for whoever decides to fill in. */

import type { CaseDecision, ReportCategory } from '../generated.ts';

const DID: Readonly<Record<ReportCategory, string>> = {
  CHILD_SAFETY: 'You endangered or sexualised a child: [what you did].',
  MINOR_WITH_ADULT: 'You sought contact as an adult with a minor, or used the service as one: [what you did].',
  SEXTORTION: 'You threatened to publish intimate material: [what you did].',
  SEXUAL_CONTENT: 'You confronted somebody with sexual content that they did not want: [what you did].',
  VIOLENCE_OR_THREAT: 'You threatened somebody with violence: [what you did].',
  SELF_HARM: 'You encouraged somebody to harm themselves: [what you did].',
  HATE: 'You insulted a group of people: [what you did].',
  HARASSMENT: 'You harassed somebody: [what you did].',
  SPAM_OR_SCAM: 'You advertised, or tried to defraud somebody: [what you did].',
  IMPERSONATION: 'You pretended to be somebody else: [what you did].',
  PRIVACY: 'You shared private information or recordings of somebody: [what you did].',
  OTHER: '[What you did.]',
};

/** Ends as the decision does. Of a dismissal the subject reads only where a hold is answered by it. */
export function template(category: ReportCategory, decision: CaseDecision): string {
  if (decision === 'DISMISS') return 'We looked at what was reported about you and found nothing against our rules.';
  const rule = 'Our rules forbid this in section [number].';
  const next =
    decision === 'WARN'
      ? 'If it happens again, we will suspend your account.'
      : 'This is why we suspended your account.';
  return `${DID[category]} ${rule} ${next}`;
}

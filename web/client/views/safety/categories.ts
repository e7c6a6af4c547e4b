/** What a report is about, in plain words, the most urgent first. */

import type { Category } from '../../state.ts';

export const CATEGORIES: readonly { readonly value: Category; readonly label: string; readonly hint: string }[] = [
  {
    value: 'CHILD_SAFETY',
    label: 'A child is in danger',
    hint: 'Sexual abuse or exploitation of a child, or material of it',
  },
  { value: 'MINOR_WITH_ADULT', label: 'A minor among adults', hint: 'Somebody seems to be under age here' },
  { value: 'SELF_HARM', label: 'Somebody may hurt themselves', hint: 'Suicide, self-harm, or pushing others to it' },
  { value: 'VIOLENCE_OR_THREAT', label: 'Violence or a threat', hint: 'Against you or somebody else' },
  { value: 'SEXTORTION', label: 'Blackmail', hint: 'Threatens to share pictures or secrets' },
  { value: 'SEXUAL_CONTENT', label: 'Nudity or sexual acts', hint: 'That nobody asked for' },
  { value: 'HATE', label: 'Hate', hint: 'Against people for what they are' },
  { value: 'HARASSMENT', label: 'Harassment', hint: 'Insults, humiliates, does not stop' },
  { value: 'PRIVACY', label: 'Private information', hint: 'Recorded me, or shares what is private' },
  { value: 'IMPERSONATION', label: 'Pretends to be somebody', hint: 'A real person, or staff of this service' },
  { value: 'SPAM_OR_SCAM', label: 'Spam or fraud', hint: 'Advertises, sells, asks for money' },
  { value: 'OTHER', label: 'Something else', hint: 'Tell us below' },
];

export function categoryLabel(value: string): string {
  return CATEGORIES.find((category) => category.value === value)?.label ?? value;
}

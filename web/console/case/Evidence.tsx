/** Messages that a reporter disclosed: what is proved, and what is the reporter's word alone, never to be taken for each other. */

import type { ReactElement } from 'react';
import { Check, Warning } from '../../shared/ui/icons.tsx';
import { atWords } from '../words.ts';
import { Covered } from './Covered.tsx';
import type { Message } from './disclosures.ts';

interface EvidenceProps {
  /** Undefined for a report that came after the look. */
  readonly messages: readonly Message[] | undefined;
  readonly category: string;
  readonly subject: string;
}

export function Evidence({ messages, category, subject }: EvidenceProps): ReactElement {
  if (messages === undefined) return <p className="quiet">This report is newer than your look at the evidence.</p>;
  if (messages.length === 0) return <p className="quiet">No messages were disclosed.</p>;
  return (
    <ul className="evidence">
      {messages.map((message, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: what was disclosed never changes, and has no ID
        <li key={place} className={message.verified ? 'message message-proved' : 'message message-claimed'}>
          <p className="message-head">
            {message.verified ? (
              <>
                <Check /> <strong>Proved: sent by {subject}</strong>
              </>
            ) : (
              <>
                <Warning /> <strong>Not proved: the reporter’s word alone</strong>
              </>
            )}
            <time dateTime={message.sentAt} className="quiet">
              {atWords(message.sentAt)}
            </time>
          </p>
          <Covered what="Message" text={message.plaintext} category={category} quoted />
        </li>
      ))}
    </ul>
  );
}

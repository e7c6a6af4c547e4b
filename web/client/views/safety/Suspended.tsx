/** What somebody sees who may not use Parley for now: why, until when, and what they can do about it. */

import './suspended.css';
import { type ReactElement, useState } from 'react';
import { Button } from '../../../shared/ui/Button.tsx';
import { Problem } from '../../../shared/ui/Field.tsx';
import { Download, SignOut, Trash } from '../../../shared/ui/icons.tsx';
import { useOutcome } from '../../../shared/ui/outcome.ts';
import { Brand } from '../Brand.tsx';
import { useClient, useClientState } from '../client.ts';
import { Heading } from '../Heading.tsx';
import { DeleteDialog, saveExport } from '../lobby/accountDialogs.tsx';
import { dateAndTime } from '../words.ts';
import { SuspensionCard } from './SuspensionCard.tsx';

export function Suspended(): ReactElement {
  const client = useClient();
  const { suspensions, account } = useClientState();
  const [deleting, setDeleting] = useState(false);
  const outcome = useOutcome();
  const first = suspensions.find((one) => one.scope === 'ALL' && one.liftedAt === null);
  return (
    <>
      <header className="header">
        <Brand />
      </header>
      <main className="page suspended">
        <Heading title="Suspended">Your account is suspended</Heading>
        <p className="suspended-lead">
          {account ? (
            <>
              <bdi>{account.displayName}</bdi>, you{' '}
            </>
          ) : (
            'You '
          )}
          {first?.endsAt
            ? `can come back on ${dateAndTime(first.endsAt)}.`
            : 'cannot come back unless an appeal succeeds.'}
        </p>
        {suspensions.map((suspension) => (
          <article key={suspension.id} className="card">
            <SuspensionCard suspension={suspension} />
          </article>
        ))}
        <section className="suspended-account" aria-label="Your account">
          <Button icon={Download} busy={outcome.busy} onClick={() => void outcome.run(() => saveExport(client))}>
            Export your data
          </Button>
          <Button icon={SignOut} onClick={() => void client.signOut()}>
            Sign out
          </Button>
          <Button icon={Trash} onClick={() => setDeleting(true)}>
            Delete your account
          </Button>
          <Problem text={outcome.problem} />
        </section>
        {deleting && <DeleteDialog onClose={() => setDeleting(false)} />}
      </main>
    </>
  );
}

/** The account: its name, whom it blocked, its data, and the way out. */

import { type ReactElement, useState } from 'react';
import { Avatar } from '../../../shared/ui/Avatar.tsx';
import { Block, Down, Download, Edit, SignOut, Trash } from '../../../shared/ui/icons.tsx';
import { Menu } from '../../../shared/ui/Menu.tsx';
import { useClient, useClientState } from '../client.ts';
import { DeleteDialog, ExportDialog, RenameDialog } from './accountDialogs.tsx';
import { BlockedDialog } from './BlockedDialog.tsx';

type Opened = 'rename' | 'blocked' | 'export' | 'delete' | null;

export function AccountMenu(): ReactElement | null {
  const client = useClient();
  const { account } = useClientState();
  const [opened, setOpened] = useState<Opened>(null);
  if (!account) return null;
  const close = (): void => setOpened(null);
  return (
    <>
      <Menu
        label={`Account of ${account.displayName}`}
        className="account-button"
        items={[
          { label: 'Change your name', icon: Edit, onSelect: () => setOpened('rename') },
          { label: 'Blocked people', icon: Block, onSelect: () => setOpened('blocked') },
          { label: 'Export your data', icon: Download, onSelect: () => setOpened('export') },
          { label: 'Sign out', icon: SignOut, onSelect: () => void client.signOut() },
          { label: 'Delete your account', icon: Trash, tone: 'danger', onSelect: () => setOpened('delete') },
        ]}
      >
        <Avatar name={account.displayName} />
        <bdi className="account-name">{account.displayName}</bdi>
        <Down />
      </Menu>
      {opened === 'rename' && <RenameDialog name={account.displayName} onClose={close} />}
      {opened === 'blocked' && <BlockedDialog onClose={close} />}
      {opened === 'export' && <ExportDialog onClose={close} />}
      {opened === 'delete' && <DeleteDialog onClose={close} />}
    </>
  );
}

"""Which account PostgreSQL runs under: ours, or, because it refuses root, one that owns nothing else.

Nothing is opened up for that account. Root changes into the folder of the cluster before it gives up its rights, and
PostgreSQL finds its files as `/proc/self/cwd`, which needs no right to walk through the folders above: a project in
/root stays 0700.
"""

from __future__ import annotations

import itertools
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from persistence.embedded.errors import EmbeddedPostgresError

# Not `nobody`: everything else that runs as nobody could read the data and reach the socket. A number without a name is
# enough, and adds no account to the machine. Below 65,536, because rootless containers map no more than that.
_FIRST_SERVICE_UID = 54_329


@dataclass(frozen=True, slots=True)
class Account:
    """A numeric user and group that processes can be started under."""

    uid: int
    gid: int


def service_account(cluster: Path) -> Account | None:
    """Tell whom PostgreSQL is to run as: None for ourselves; as root the owner of `cluster`, or who shall own it.

    A cluster made by root in somebody's data directory becomes theirs, so that they can start it without root later.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and cluster.stat().st_uid == 0:
        sentence = f"The database in {cluster} belongs to root, as whom PostgreSQL refuses to run: change its owner."
        raise EmbeddedPostgresError(sentence)
    owner = (cluster if cluster.exists() else cluster.parent).stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    uid = next(uid for uid in itertools.count(_FIRST_SERVICE_UID) if not _has_name(uid))
    return Account(uid, uid)


def named_account() -> Account | None:
    """Tell whom initdb is to run as: None for ourselves; as root an account with a name, because initdb wants one."""
    if os.geteuid() != 0:
        return None
    named = sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody")
    for entry in named:
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    sentence = "PostgreSQL refuses to run as root, and there is no other account: run Parley as an ordinary user."
    raise EmbeddedPostgresError(sentence)


def path_for(account: Account | None, folder: Path) -> str:
    """Name `folder` for a process under `account` whose working directory it is."""
    magic = Path("/proc/self/cwd")
    return str(magic) if account is not None and magic.exists() else str(folder)


def hand_over(folder: Path, account: Account) -> None:
    """Make `account` the owner of `folder` and all in it, following no symbolic link."""
    os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), account.uid, account.gid, follow_symlinks=False)


def everybody_may_enter(folder: Path) -> bool:
    """Tell whether any account may walk to `folder`, judged by the mode bits of it and all folders above."""
    real = folder.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (real, *real.parents))


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True

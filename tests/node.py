"""Programs of Node that tests run: whether it is there, and their packages. `python -m tests.node` installs all at once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.server import ROOT

LOCKS = sorted(lock for lock in ROOT.glob("*/*/**/package-lock.json") if "node_modules" not in lock.parts)
"""What pins the packages, of each folder that has some, but for those of web/: make installs them, and builds the pages."""
NODE = (18, 19)
MISSING = "install Node 18.19 or newer: apt-get install -y nodejs npm"
DEADLINE = 240.0
"""Seconds for a program to end, packages fetched included."""


def version() -> tuple[int, ...]:
    """Of the `node` on the path; (0,) when there is none."""
    try:
        printed = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True, timeout=DEADLINE)
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    return tuple(int(number) for number in printed.stdout.strip().lstrip("v").split(".")[:2])


def environment() -> dict[str, str]:
    """What programs of Node run with. Node 18 has the global `crypto` of browsers behind an option."""
    wanted = dict(os.environ)
    if version()[0] == NODE[0]:
        wanted["NODE_OPTIONS"] = f"{wanted.get('NODE_OPTIONS', '')} --experimental-global-webcrypto".strip()
    return wanted


def npm(folder: Path, *arguments: str) -> str:
    """Runs npm in the folder, and returns what it printed. A failure shows all of it."""
    ended = subprocess.run(
        ["npm", *arguments],
        check=False,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
    )
    assert ended.returncode == 0, f"npm {' '.join(arguments)} ended with {ended.returncode}:\n{ended.stdout}"
    return ended.stdout


def installed(folder: Path) -> Path:
    """The folder, with its packages installed as locked; not again while the lock and Node stay the same. Skips without Node."""
    if version() < NODE or shutil.which("npm") is None:
        pytest.skip(MISSING)
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest() + f" {version()[0]}"
    stamp = folder / "node_modules" / ".installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        npm(folder, "ci", "--no-audit", "--no-fund")
        stamp.write_text(wanted)
    return folder


def main() -> None:
    """Every folder's packages, so that no test waits for them. Without Node none: the tests that need them say so."""
    with suppress(pytest.skip.Exception), ThreadPoolExecutor() as pool:
        list(pool.map(installed, (lock.parent for lock in LOCKS)))


if __name__ == "__main__":
    main()

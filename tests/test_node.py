"""The packages of Node that the repository holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.server import ROOT
from tests.node import LOCKS


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.parent.relative_to(ROOT)))
def test_lock_pins_hashes_and_names_no_registry(lock: Path) -> None:
    """What is installed is what was reviewed, from whichever registry the reader's npm asks."""
    packages = json.loads(lock.read_text())["packages"]
    del packages[""]
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    assert "registry=" not in (lock.parent / ".npmrc").read_text()

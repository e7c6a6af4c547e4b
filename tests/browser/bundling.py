"""Modules of web/core in a page without anything else of the client: bundled as Vite does it, in a tenth of a second."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.server import ROOT
from tests.node import MISSING
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ROOT / "web" / "node_modules"


def bundled(name: str, folder: Path) -> Path:
    """A script for a page, in which `harness` is what tests/browser/`name`.harness.ts exports. Skips without its esbuild."""
    esbuild = PACKAGES / ".bin" / "esbuild"
    if not esbuild.exists():
        pytest.skip(f"{MISSING}, and run `make {PACKAGES.relative_to(ROOT)}/.stamp`")
    script = folder / f"{name}.js"
    source = ROOT / "tests" / "browser" / f"{name}.harness.ts"
    options = ["--bundle", "--format=iife", "--global-name=harness", f"--outfile={script}", "--log-level=error"]
    subprocess.run(
        [esbuild, source, *options], check=True, env=os.environ | {"NODE_PATH": str(PACKAGES)}, timeout=DEADLINE
    )
    return script

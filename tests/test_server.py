"""The server's own process."""

from __future__ import annotations

import resource

import pytest

from api import server


def test_a_server_takes_as_many_connections_as_the_system_permits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the usual 1,024 file descriptors the thousandth user would be kept out, or everybody by one stranger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 512
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
        monkeypatch.setattr(server, "CONNECTIONS", enough - 1)
        server.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (enough, hard)  # Never lowered.
        monkeypatch.setattr(server, "CONNECTIONS", enough + 1)
        server.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (enough + 1, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

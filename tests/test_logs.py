"""What the server writes down: enough to find a fault, nothing of what people said or who they are."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from api import logs
from api.settings import Environment, LogLevel, Settings
from persistence.database import engine_for

SECRET = "Ada's own words"


@pytest.fixture(params=[Environment.DEVELOPMENT, Environment.PRODUCTION])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a server writes to stderr with logging as it sets it up, at its most talkative; undone afterwards."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = structlog.get_config()
    logs.configure(
        Settings(environment=request.param, log_level=LogLevel.DEBUG, secrets="x:" + "A" * 44, _env_file=None)  # type: ignore[call-arg]  # the type has no _env_file
    )
    yield stderr
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**kept)


def fail() -> None:
    """Fails as a driver does: with the values in its messages, the chain included."""
    try:
        os.environ[SECRET]
    except KeyError as error:
        raise ValueError(f"Failing row contains ({SECRET})") from error


def test_a_logged_fault_tells_where_and_never_what_was_said(written: io.StringIO) -> None:
    """Drivers quote the values that they choke on: a name, a statement of somebody, a token."""
    for log in (structlog.get_logger("parley"), logging.getLogger("uvicorn.error")):
        try:
            fail()
        except ValueError:
            log.exception("a background step failed")
    assert SECRET not in written.getvalue()
    assert written.getvalue().count("builtins.ValueError") == 2
    assert written.getvalue().count("builtins.KeyError") == 2
    assert written.getvalue().count("in fail") >= 2


def test_a_task_that_failed_unseen_is_told_without_its_message(written: io.StringIO) -> None:
    """What asyncio writes is the exception itself, with all that the exception quotes."""

    async def lose() -> None:
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(fail))
        await asyncio.wait({task})

    asyncio.run(lose())
    assert "Task exception was never retrieved" in written.getvalue()
    assert SECRET not in written.getvalue()


def test_errors_of_the_database_do_not_quote_what_was_stored() -> None:
    """The parameters of a statement are what people wrote."""
    assert engine_for("postgresql://nobody@localhost/nothing").sync_engine.hide_parameters

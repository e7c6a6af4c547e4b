"""What the server writes down: enough to find a fault, nothing of what people said or who they are."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator

import pytest
import structlog

from api import logs
from api.settings import Environment, LogLevel, Settings
from persistence.database import engine_for

SECRET = "Ada's own words"


@pytest.fixture(params=[Environment.DEVELOPMENT, Environment.PRODUCTION])
def configured(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Environment]:
    """Logging as a server sets it up, at its most talkative, into what `capsys` reads; undone afterwards."""
    capsys.readouterr()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = structlog.get_config()
    logs.configure(
        Settings(environment=request.param, log_level=LogLevel.DEBUG, secrets="x:" + "A" * 44, _env_file=None)  # type: ignore[call-arg]
    )
    yield request.param
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**kept)


def fail() -> None:
    """Fails as a driver does: with the values in its messages, the chain included."""
    try:
        os.environ[SECRET]
    except KeyError as error:
        raise ValueError(f"Failing row contains ({SECRET})") from error


def test_a_logged_fault_tells_where_and_never_what_was_said(
    configured: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drivers quote the values that they choke on: a name, a statement of somebody, a token."""
    for log in (structlog.get_logger("parley"), logging.getLogger("uvicorn.error")):
        try:
            fail()
        except ValueError:
            log.exception("a background step failed")
    written = capsys.readouterr().err
    assert SECRET not in written
    assert written.count("ValueError") == 2
    assert written.count("KeyError") == 2
    assert written.count("in fail") >= 2
    if configured is Environment.PRODUCTION:
        assert [json.loads(line)["level"] for line in written.splitlines()] == ["error", "error"]


def test_a_task_that_failed_unseen_is_told_without_its_message(
    configured: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """What asyncio writes is the exception itself, with all that the exception quotes."""

    async def lose() -> None:
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(fail))
        await asyncio.wait({task})

    asyncio.run(lose())
    written = capsys.readouterr().err
    assert configured
    assert "Task exception was never retrieved" in written
    assert SECRET not in written


def test_errors_of_the_database_do_not_quote_what_was_stored() -> None:
    """The parameters of a statement are what people wrote."""
    assert engine_for("postgresql://nobody@localhost/nothing").sync_engine.hide_parameters

"""Structured logs: readable in development, JSON in production; never a token, an address or what people say.

Exceptions are told by class and place, also those of libraries: their messages quote values, and a driver's whole rows.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from api.settings import Settings

QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "asyncio", "alembic")
"""Libraries that are heard from WARNING on: at INFO Uvicorn logs the address of every client."""

DEEPEST = 5
"""Links of a chain of exceptions that are told, and members of a group."""


def configure(settings: Settings) -> None:
    """Sets up logging for this process, libraries included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        without_messages,
        structlog.processors.JSONRenderer()
        if settings.production
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(level, logging.WARNING))


def without_messages(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A structlog processor: puts where an exception came from in the place of the exception."""
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple):
        raised = raised[1]
    elif raised and not isinstance(raised, BaseException):
        raised = sys.exc_info()[1]
    if isinstance(raised, BaseException):
        event["exception"] = "\n".join(_origin(raised))
    if event.get("logger") == "asyncio":
        # "Task exception was never retrieved", and then the task, with its exception, with its message.
        event["event"] = str(event["event"]).partition("\n")[0].partition("(")[0]
    return event


def _origin(error: BaseException, depth: int = 0) -> list[str]:
    """The chain of exceptions that led to this one, the first one first, each as its frames and its class."""
    lines: list[str] = []
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and depth < DEEPEST:
        lines += [*_origin(earlier, depth + 1), "and then"]
    lines += "".join(traceback.format_tb(error.__traceback__)).splitlines()
    lines.append(f"{type(error).__module__}.{type(error).__qualname__}")
    if isinstance(error, BaseExceptionGroup) and depth < DEEPEST:
        lines += [f"  | {line}" for inner in error.exceptions[:DEEPEST] for line in _origin(inner, depth + 1)]
    return lines

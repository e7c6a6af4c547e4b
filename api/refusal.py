"""Why Parley will not start: one sentence for a person, no traceback, exit code 2."""

from __future__ import annotations


class Refusal(Exception):
    """The process cannot do what it was asked to. The message is one sentence that says what to change."""


class Unreachable(Refusal):
    """What the process needs does not answer: it may, later."""

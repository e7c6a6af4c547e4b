"""Which of its media types a client likes best (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from api.graphql_http.media_types import CLASSIC, MODERN, media_type
from api.graphql_http.multipart import MULTIPART, PARTS, PAYLOADS, SPECIFICATION
from api.graphql_http.sse import EVENT_STREAM, EVENTS

if TYPE_CHECKING:
    from api.graphql_http.framing import Framing

Kind = TypeVar("Kind")

MOST = 64
"""Entries that are read: browsers send ten, and nobody is counted yet who sends thirty thousand."""

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client takes.

    `single` is for one result: JSON of that type, or the framing of a client that likes it better; None if it takes neither.
    `stream` is for a subscription; None if it names no kind of stream.
    """

    single: str | Framing | None
    stream: Framing | None

    @property
    def json(self) -> str:
        """The type of JSON in which this client is told what is HTTP's matter."""
        return self.single if isinstance(self.single, str) else CLASSIC


def accepted(headers: list[str]) -> Accepted:
    """What the values of `Accept` say; whatever is wrong in them is as if it were not there.

    The modern type of JSON and all streams must be named: a client that takes just anything may not know what they mean. Of what
    a client likes equally well JSON comes first, since urql and Apollo name streams beside it whatever they ask; then events.
    """
    if not any(headers):
        return Accepted(CLASSIC, None)
    named: dict[str, float] = {}
    streams: dict[Framing, float] = {}
    for entry in ",".join(headers).split(",", MOST)[:MOST]:
        name, parameters = media_type(entry)
        quality = parameters.get("q", "1")
        weight = float(quality) if _QUALITY.fullmatch(quality) else 0.0
        named[name] = max(weight, named.get(name, 0.0))
        framing = _framing(name, parameters)
        if framing is not None:
            streams[framing] = max(weight, streams.get(framing, 0.0))
    classic = next((named[name] for name in (CLASSIC, "application/*", "*/*") if name in named), 0.0)
    ordered = {framing: streams.get(framing, 0.0) for framing in (EVENTS, PAYLOADS, PARTS)}
    return Accepted(_best({MODERN: named.get(MODERN, 0.0), CLASSIC: classic, **ordered}), _best(ordered))


def _framing(name: str, parameters: dict[str, str]) -> Framing | None:
    if name == EVENT_STREAM:
        return EVENTS
    if (
        name != MULTIPART or "deferspec" in parameters
    ):  # Whoever can put deferred parts together need not know of streams.
        return None
    specification = parameters.get("subscriptionspec")
    if specification is None:
        return PARTS
    return PAYLOADS if specification == SPECIFICATION else None


def _best(weights: dict[Kind, float]) -> Kind | None:
    best = max(weights, key=weights.__getitem__)
    return best if weights[best] > 0 else None

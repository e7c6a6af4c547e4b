"""Being there: attached while at least one socket or event stream of a user is open on a live worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

AWAY_AFTER = timedelta(seconds=3)
"""How long a detached user is still shown as ONLINE: a reload of a page goes unseen."""

LOST_WORKER_RESUME = timedelta(seconds=60)
"""How long seats of a dead worker's users are held: they did nothing wrong and all reconnect at once."""

TYPING_LAPSES_AFTER = timedelta(seconds=6)
"""How long one `typing: true` counts."""

MEMBER_UPDATES_EVERY = timedelta(milliseconds=250)
"""MemberUpdated of one member is told at most this often, the latest state winning."""


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """Fields of one's own presence to change; None stays as it is."""

    typing: bool | None = None
    camera: bool | None = None
    microphone: bool | None = None
    screen: bool | None = None

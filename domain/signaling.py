"""Signals between two members of a room: opaque to the server, bounded, stamped with sender and order."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.characters import check_client_id
from domain.errors import InvalidInput, NotFound
from domain.rooms.room import RoomKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from domain.ports import Directory, SignalPost, Throttle

LONGEST_SDP = 64 * 1024
"""Bytes in UTF-8. Chromium's largest, with screen, data and all candidates, was 11.4 KB."""
LONGEST_CANDIDATE = 1024
"""Bytes in UTF-8."""
MOST_CANDIDATES = 64
"""In one batch."""
LONGEST_NAME = 256
"""Bytes in UTF-8 of a media description's `sdpMid` and of a `usernameFragment` (RFC 8839 section 5.4: at most 256)."""
MOST_MEDIA_LINES = 65_535
"""`sdpMLineIndex` is an unsigned short (W3C WebRTC 1.0, RTCIceCandidateInit)."""
TURN_CREDENTIALS_LAST = timedelta(hours=1)


class HangUpReason(StrEnum):
    """Why a side ends a peer connection."""

    ENDED = "ENDED"
    DECLINED = "DECLINED"
    BUSY = "BUSY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Offer:
    """An SDP offer, relayed byte for byte."""

    sdp: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An SDP answer, relayed byte for byte."""

    sdp: str


@dataclass(frozen=True, slots=True)
class IceCandidate:
    """One candidate as the browser gave it; the empty string marks the end of candidates (RFC 8838, W3C WebRTC 1.0)."""

    candidate: str
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None
    username_fragment: str | None = None


@dataclass(frozen=True, slots=True)
class IceCandidates:
    """A batch of trickled candidates, in order."""

    candidates: tuple[IceCandidate, ...]
    end_of_candidates: bool = False


@dataclass(frozen=True, slots=True)
class HangUp:
    """The end of one peer connection; the match goes on."""

    reason: HangUpReason = HangUpReason.ENDED


Signal = Offer | Answer | IceCandidates | HangUp


@dataclass(frozen=True, slots=True)
class IceServer:
    """STUN or TURN URLs; for TURN with credentials that hold until `expires_at`."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IceConfiguration:
    """How peers of a room find a way to each other. `relay_only`: candidates of the peers' own addresses are not to be used."""

    servers: tuple[IceServer, ...]
    relay_only: bool


async def send_signal(
    directory: Directory,
    post: SignalPost,
    throttle: Throttle,
    reached: Callable[[UUID], None],
    *,
    sender_id: UUID,
    to: UUID,
    signal: Signal,
    call_id: str | None,
    client_signal_id: str | None,
    now: datetime,
) -> UUID:
    """Relays a signal of user `sender_id` to member `to`, and returns its ID.

    Raises `InvalidInput`, `RateLimited`, or `NotFound` unless the two hold different seats in one open room.
    """
    check_signal(signal)
    check_client_ids(call_id, client_signal_id)
    room = await directory.room_of_member(to, sender_id)
    seat = room.held_seat_of(sender_id) if room is not None else None
    # Whoever guesses members is limited as a user: there is no seat to count on.
    throttle.signal(seat.id if seat is not None else sender_id, size(signal))
    if seat is None:
        raise NotFound
    signal_id = await post.post(sender_id, to, signal, call_id=call_id, client_signal_id=client_signal_id, now=now)
    reached(seat.id)
    return signal_id


def check_signal(signal: Signal) -> None:
    """Raises `InvalidInput` for what is too long, empty or no text at all. What the text says is never looked at."""
    match signal:
        case Offer(sdp):
            _check_sdp("signal.offer.sdp", sdp)
        case Answer(sdp):
            _check_sdp("signal.answer.sdp", sdp)
        case IceCandidates(candidates, end_of_candidates):
            _check_candidates("signal.candidates.candidates", candidates, end_of_candidates=end_of_candidates)
        case HangUp():
            pass


def check_client_ids(call_id: str | None, client_signal_id: str | None) -> None:
    """Raises `InvalidInput` for what is no ID of a client's own. An empty `call_id` names no call."""
    if call_id:
        check_client_id("callId", call_id)
    if client_signal_id is not None:
        check_client_id("clientSignalId", client_signal_id)


def size(signal: Signal) -> int:
    """Bytes of the signal's text in UTF-8: what a sender's budget is charged. The signal has been checked."""
    match signal:
        case Offer(sdp) | Answer(sdp):
            return len(sdp.encode())
        case IceCandidates(candidates):
            return sum(
                len(text.encode())
                for candidate in candidates
                for text in (candidate.candidate, candidate.sdp_mid, candidate.username_fragment)
                if text is not None
            )
        case HangUp():
            return 0


def ice_configuration(
    kind: RoomKind, urls: Iterable[str], turn_secret: str | None, *, opaque_id: str, now: datetime
) -> IceConfiguration:
    """The ICE servers for a member of a room of that kind.

    Strangers of a MATCH shall not learn each other's addresses, so they are relayed, if there is a relay: without one nobody could
    connect. Those in an INVITE room chose each other. `opaque_id` is random and tells nothing of the user.
    """
    every = tuple(urls)
    turn = tuple(url for url in every if url.partition(":")[0] in {"turn", "turns"})
    stun = tuple(url for url in every if url not in turn)
    servers = [IceServer(stun)] if stun else []
    relayed = bool(turn) and turn_secret is not None
    if relayed and turn_secret is not None:
        expires_at = (now + TURN_CREDENTIALS_LAST).replace(microsecond=0)
        username, credential = turn_credentials(turn_secret, opaque_id, expires_at)
        servers.append(IceServer(turn, username, credential, expires_at))
    return IceConfiguration(tuple(servers), relay_only=relayed and kind is RoomKind.MATCH)


def turn_credentials(secret: str, opaque_id: str, expires_at: datetime) -> tuple[str, str]:
    """User name and credential as coturn's `use-auth-secret` checks them: draft-uberti-behave-turn-rest-00, section 2.2."""
    username = f"{int(expires_at.astimezone(UTC).timestamp())}:{opaque_id}"
    digest = hmac.digest(secret.encode(), username.encode(), hashlib.sha1)
    return username, base64.b64encode(digest).decode()


def _check_sdp(field: str, sdp: str) -> None:
    length = _bytes(field, sdp)
    if not length:
        raise InvalidInput(field, "A session description is not empty.")
    if length > LONGEST_SDP:
        raise InvalidInput(field, "At most 64 KiB in UTF-8.")


def _check_candidates(field: str, candidates: tuple[IceCandidate, ...], *, end_of_candidates: bool) -> None:
    if len(candidates) > MOST_CANDIDATES:
        raise InvalidInput(field, f"At most {MOST_CANDIDATES} candidates at once.")
    if not candidates and not end_of_candidates:
        raise InvalidInput(field, "Give at least one candidate, or `endOfCandidates`.")
    for number, candidate in enumerate(candidates):
        _check_candidate(f"{field}.{number}", candidate)


def _check_candidate(field: str, candidate: IceCandidate) -> None:
    if _bytes(f"{field}.candidate", candidate.candidate) > LONGEST_CANDIDATE:
        raise InvalidInput(f"{field}.candidate", "At most 1 KiB in UTF-8.")
    for name, value in (("sdpMid", candidate.sdp_mid), ("usernameFragment", candidate.username_fragment)):
        if value is not None and _bytes(f"{field}.{name}", value) > LONGEST_NAME:
            raise InvalidInput(f"{field}.{name}", f"At most {LONGEST_NAME} bytes in UTF-8.")
    index = candidate.sdp_m_line_index
    if index is not None and not 0 <= index <= MOST_MEDIA_LINES:
        raise InvalidInput(f"{field}.sdpMLineIndex", f"Between 0 and {MOST_MEDIA_LINES}.")
    if candidate.candidate and candidate.sdp_mid is None and index is None:
        raise InvalidInput(f"{field}.sdpMid", "Give at least one of `sdpMid` and `sdpMLineIndex`.")


def _bytes(field: str, text: str) -> int:
    """The length in UTF-8. JSON can spell half of a surrogate pair, which no encoding can carry on."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInput(field, "It holds half of a surrogate pair, which is no text.") from None

"""Signals between two members of a room: opaque to the server, bounded, stamped with sender and order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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

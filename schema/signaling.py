"""Signals between two peers, and the servers through which they find each other."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain import errors, signaling
from domain.characters import LONGEST_CLIENT_ID
from domain.following import seat_in
from schema.context import Info
from schema.enums import HangUpReason
from schema.errors import InvalidInputError, NotFoundError, answers
from schema.ids import known_id
from schema.inputs import given

ID_OF_CALL = f"Names the peer connection that the signal belongs to; at most {LONGEST_CLIENT_ID} characters."


@strawberry.type(description="An SDP offer.")
class Offer:
    """See `domain.signaling.Offer`."""

    sdp: str = strawberry.field(description="Byte for byte as the sender gave it.")


@strawberry.type(description="An SDP answer.")
class Answer:
    """See `domain.signaling.Answer`."""

    sdp: str = strawberry.field(description="Byte for byte as the sender gave it.")


@strawberry.type(description="One ICE candidate, as `RTCIceCandidateInit` has it.")
class IceCandidate:
    """See `domain.signaling.IceCandidate`."""

    candidate: str = strawberry.field(
        description="The candidate attribute; the empty string marks the end of candidates."
    )
    sdp_mid: str | None = strawberry.field(name="sdpMid", description="The media description's identification tag.")
    sdp_m_line_index: int | None = strawberry.field(
        name="sdpMLineIndex", description="The index of the media description, from 0."
    )
    username_fragment: str | None = strawberry.field(description="The ICE user name fragment of its generation.")


@strawberry.type(description="ICE candidates in the order in which they were found.")
class IceCandidates:
    """See `domain.signaling.IceCandidates`."""

    candidates: list[IceCandidate] = strawberry.field(description="The candidates; none in a mere end of candidates.")
    end_of_candidates: bool = strawberry.field(description="No further candidates of this generation will come.")


@strawberry.type(description="The sender ended the peer connection. The room stays open.")
class HangUp:
    """See `domain.signaling.HangUp`."""

    reason: HangUpReason = strawberry.field(description="Why.")


Signal = Annotated[
    Offer | Answer | IceCandidates | HangUp,
    strawberry.union("Signal", description="What one peer tells another to set up, change or end a peer connection."),
]


def shown_signal(signal: signaling.Signal) -> Offer | Answer | IceCandidates | HangUp:
    """The API's form of a signal."""
    match signal:
        case signaling.Offer(sdp):
            return Offer(sdp=sdp)
        case signaling.Answer(sdp):
            return Answer(sdp=sdp)
        case signaling.IceCandidates(candidates, end_of_candidates):
            return IceCandidates(
                candidates=[
                    IceCandidate(
                        candidate=one.candidate,
                        sdp_mid=one.sdp_mid,
                        sdp_m_line_index=one.sdp_m_line_index,
                        username_fragment=one.username_fragment,
                    )
                    for one in candidates
                ],
                end_of_candidates=end_of_candidates,
            )
        case signaling.HangUp(reason):
            return HangUp(reason=reason)


@strawberry.input(description="A session description, offer or answer.")
class SessionDescriptionInput:
    sdp: str = strawberry.field(
        description=(
            f"Not empty, at most {signaling.LONGEST_SDP // 1024} KiB in UTF-8. Relayed byte for byte: never read, trimmed or "
            "normalised."
        )
    )


@strawberry.input(
    description="One ICE candidate. At least one of `sdpMid` and `sdpMLineIndex` is given, unless `candidate` is empty."
)
class IceCandidateInput:
    """`RTCIceCandidateInit`."""

    candidate: str = strawberry.field(
        description=(
            f"At most {signaling.LONGEST_CANDIDATE // 1024} KiB in UTF-8; the empty string marks the end of candidates."
        )
    )
    sdp_mid: str | None = strawberry.field(
        name="sdpMid",
        default=strawberry.UNSET,
        description=f"The media description's identification tag; at most {signaling.LONGEST_NAME} bytes.",
    )
    sdp_m_line_index: int | None = strawberry.field(
        name="sdpMLineIndex",
        default=strawberry.UNSET,
        description=f"The index of the media description, 0 to {signaling.MOST_MEDIA_LINES}.",
    )
    username_fragment: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"The ICE user name fragment of its generation; at most {signaling.LONGEST_NAME} bytes.",
    )


@strawberry.input(description="A batch of ICE candidates: cheaper than one by one, and it counts as one signal.")
class IceCandidatesInput:
    candidates: list[IceCandidateInput] = strawberry.field(
        description=f"At most {signaling.MOST_CANDIDATES}, in order; at least one unless `endOfCandidates` is true."
    )
    end_of_candidates: bool = strawberry.field(
        default=False, description="No further candidates of this generation will come."
    )


@strawberry.input(description="The end of one peer connection.")
class HangUpInput:
    reason: HangUpReason = strawberry.field(default=HangUpReason.ENDED, description="Why.")


@strawberry.input(one_of=True, description="Exactly one kind of signal.")
class SignalInput:
    """Exactly one is set: GraphQL sees to that."""

    offer: SessionDescriptionInput | None = strawberry.field(
        default=strawberry.UNSET, description="Opens a negotiation."
    )
    answer: SessionDescriptionInput | None = strawberry.field(
        default=strawberry.UNSET, description="Answers an offer of the receiver."
    )
    candidates: IceCandidatesInput | None = strawberry.field(
        default=strawberry.UNSET, description="Ways to reach the sender."
    )
    hang_up: HangUpInput | None = strawberry.field(
        default=strawberry.UNSET, description="Ends the peer connection; the room stays open."
    )

    def signal(self) -> signaling.Signal:
        """The domain's form."""
        if self.offer:
            return signaling.Offer(self.offer.sdp)
        if self.answer:
            return signaling.Answer(self.answer.sdp)
        if self.candidates:
            return signaling.IceCandidates(
                tuple(
                    signaling.IceCandidate(
                        one.candidate, given(one.sdp_mid), given(one.sdp_m_line_index), given(one.username_fragment)
                    )
                    for one in self.candidates.candidates
                ),
                self.candidates.end_of_candidates,
            )
        if self.hang_up:
            return signaling.HangUp(self.hang_up.reason)
        raise errors.BadInput("A signal is exactly one of offer, answer, candidates and hangUp.")


@strawberry.input(description="A signal to one member. The server stamps the sender: it cannot be named.")
class SendSignalInput:
    to: strawberry.ID = strawberry.field(description="The member ID of another member of a room that both are in.")
    signal: SignalInput = strawberry.field(description="What to tell them.")
    client_signal_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Makes a retry safe: the same ID from the same sender to the same member is delivered once in ten minutes. "
            f"1 to {LONGEST_CLIENT_ID} characters."
        ),
    )
    call_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=ID_OF_CALL)


@strawberry.type(description="The signal is in the receiver's inbox, behind all that this socket sent before it.")
class SendSignalSuccess:
    id: strawberry.ID = strawberry.field(
        description="The ID that the receiver sees; a repeated `clientSignalId` gets the first one again."
    )


SendSignalPayload = Annotated[
    SendSignalSuccess | NotFoundError | InvalidInputError,
    strawberry.union("SendSignalPayload", description="What `sendSignal` answers."),
]


@strawberry.type(description="One entry of `RTCConfiguration.iceServers`.")
class IceServer:
    """See `domain.signaling.IceServer`."""

    urls: list[str] = strawberry.field(description="STUN or TURN URLs (RFC 7064, RFC 7065).")
    username: str | None = strawberry.field(description="Of the time-limited TURN credentials; null for STUN.")
    credential: str | None = strawberry.field(description="The password that goes with it; null for STUN.")
    expires_at: datetime | None = strawberry.field(
        description="Until when the credentials open new allocations: ask again before a later ICE restart. Null for STUN."
    )


@strawberry.type(description="How the peers of a room find a way to each other.")
class IceConfiguration:
    """See `domain.signaling.IceConfiguration`."""

    servers: list[IceServer] = strawberry.field(description="For `RTCConfiguration.iceServers`.")
    relay_only: bool = strawberry.field(
        description=(
            "Use `iceTransportPolicy: 'relay'`: direct candidates would show strangers each other's IP address. True in a MATCH "
            "room of a service that has a TURN server; without one there is no other way than a direct one."
        )
    )


@strawberry.type
class SignalingQuery:
    """`iceConfiguration`."""

    @strawberry.field(description="The ICE servers to use in a room that the viewer is in; null for any other room.")
    async def ice_configuration(
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="The room to connect in.")],
    ) -> IceConfiguration | None:
        services, viewer = info.context.services, info.context.viewer
        try:
            room, seat = await seat_in(services.directory, known_id(room_id), viewer.user_id)
        except errors.NotFound:
            return None
        services.reached(seat.id)
        found = signaling.ice_configuration(
            room.kind,
            services.ice.urls,
            services.ice.turn_secret,
            opaque_id=services.new_id().hex,
            now=services.clock(),
        )
        return IceConfiguration(
            servers=[
                IceServer(
                    urls=list(one.urls), username=one.username, credential=one.credential, expires_at=one.expires_at
                )
                for one in found.servers
            ],
            relay_only=found.relay_only,
        )


@strawberry.type
class SignalingMutation:
    """`sendSignal`."""

    @strawberry.mutation(
        description=(
            "Relays a signal to another member of a room. Signals of one socket arrive in the order in which it sent them. More "
            "than a burst of 256 and then 80 a second, or than 1 MiB and then 128 KiB a second, are refused with RATE_LIMITED and "
            "`retryAfter`."
        )
    )
    @answers(errors.NotFound, errors.InvalidInput)
    async def send_signal(
        self, info: Info, input: Annotated[SendSignalInput, strawberry.argument(description="The signal.")]
    ) -> SendSignalPayload:
        services, viewer = info.context.services, info.context.viewer
        signal_id = await signaling.send_signal(
            services.directory,
            services.signals,
            services.throttle,
            services.reached,
            sender_id=viewer.user_id,
            to=known_id(input.to),
            signal=input.signal.signal(),
            call_id=given(input.call_id),
            client_signal_id=given(input.client_signal_id),
            now=services.clock(),
        )
        return SendSignalSuccess(id=strawberry.ID(str(signal_id)))

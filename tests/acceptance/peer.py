"""A WebRTC peer that meets another through Parley's API alone: what a browser does in a front end, done with aiortc."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aioice.ice
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.sdp import candidate_from_sdp
from av import VideoFrame

from tests.acceptance import documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import MediaStreamTrack

    from tests.acceptance.client import JSON, Person, Seat, Subscription

FRAME = (160, 120)
"""Width and height of the video that peers send."""

_addresses_of_the_network = aioice.ice.get_host_addresses


def _with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001 - aioice's own signature
    return [*_addresses_of_the_network(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]


# aioice never offers the loopback address, so that two peers of a machine without a network would find no way to each other.
aioice.ice.get_host_addresses = _with_loopback


class Fade(VideoStreamTrack):
    """A small synthetic camera: a surface that grows brighter."""

    async def recv(self) -> VideoFrame:
        """The next frame, thirty a second."""
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(*FRAME, format="yuv420p")
        for plane, shade in zip(frame.planes, (pts // 3000 % 256, 110, 180), strict=True):
            plane.update(bytes([shade]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


@dataclass
class Call:
    """What one side saw of a call."""

    offered: bool = False
    candidates_sent: int = 0
    echo: str | None = None
    frame: tuple[int, int] | None = None
    received: list[str] = field(default_factory=list)
    """Kinds of the signals received, in order."""


class Peer:
    """One side of a call in a match. `talk` does all of it; `hang_up` ends it."""

    def __init__(self, person: Person, seat: Seat, *, tell: Callable[[str], None] = lambda _: None) -> None:
        self.person = person
        self.seat = seat
        self.call = Call()
        # Without servers: both peers are on this machine, and gathering would wait for a STUN server that may not be reachable.
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._tell = tell
        self._call_id = str(uuid.uuid4()) if self.offers else None
        self._waiting: list[RTCIceCandidate | None] = []
        self._echoed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._seen: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.connection.on("track", self._on_track)
        self.connection.on("datachannel", self._on_channel)

    @property
    def offers(self) -> bool:
        """Perfect negotiation: of each pair the impolite side offers first."""
        return not self.seat.polite

    async def talk(self, signals: Subscription, within: float = 30.0) -> Call:
        """Negotiates over the room's `signals` until an echo came back and a video frame arrived."""
        reading = asyncio.create_task(self._read(signals))
        try:
            async with asyncio.timeout(within):
                if self.offers:
                    await self._offer()
                waited_for: set[asyncio.Future[Any]] = {self._echoed, self._seen}
                while waited_for and not reading.done():
                    waited_for -= (await asyncio.wait({reading, *waited_for}, return_when=asyncio.FIRST_COMPLETED))[0]
                if reading.done():
                    reading.result()
                self.call.echo, self.call.frame = await self._echoed, await self._seen
        finally:
            # Reading goes on during the call in a real client; this one has seen what it wanted to see.
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        return self.call

    async def hang_up(self) -> None:
        """Ends the peer connection. Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.connection.close()

    # ------------------------------------------------------------------------------------------ out

    async def _offer(self) -> None:
        self.connection.addTrack(Fade())
        self._watch_channel(self.connection.createDataChannel("chat"))
        await self.connection.setLocalDescription(await self.connection.createOffer())
        self.call.offered = True
        await self._send_description("offer")

    async def _send_description(self, kind: str) -> None:
        """Trickles as a browser does: the description without candidates, then those one by one (aiortc gathers first)."""
        sdp, candidates = split(self.connection.localDescription.sdp)
        await self._send({kind: {"sdp": sdp}})
        self._tell(f"sends its {kind} ({len(sdp):,} bytes)")
        for candidate in candidates:
            await self._send({"candidates": {"candidates": [candidate]}})
            self.call.candidates_sent += 1
        await self._send({"candidates": {"candidates": [], "endOfCandidates": True}})
        self._tell(f"trickles {len(candidates)} candidates")

    async def _send(self, signal: JSON) -> None:
        payload = await self.person.send(
            self.seat.partner_id, signal, callId=self._call_id, clientSignalId=str(uuid.uuid4())
        )
        assert payload["__typename"] == "SendSignalSuccess", payload

    # ------------------------------------------------------------------------------------------ in

    async def _read(self, signals: Subscription) -> None:
        async for event in signals:
            if event["__typename"] == "SignalReceived" and event["sender"]["id"] == self.seat.partner_id:
                await self._take(event)

    async def _take(self, event: JSON) -> None:
        signal, kind = event["signal"], event["signal"]["__typename"]
        if kind == "Offer":
            self._call_id = event["callId"]
        elif event["callId"] != self._call_id:
            return  # of a peer connection that is gone
        self.call.received.append(kind)
        match kind:
            case "Offer" if self.offers:
                return  # glare: the impolite side's own offer stands
            case "Offer":
                self._tell("receives the offer")
                await self._describe("offer", signal["sdp"])
                self.connection.addTrack(Fade())
                await self.connection.setLocalDescription(await self.connection.createAnswer())
                await self._send_description("answer")
            case "Answer":
                self._tell("receives the answer")
                await self._describe("answer", signal["sdp"])
            case "IceCandidates":
                for candidate in signal["candidates"]:
                    await self._add(received_candidate(candidate))
                if signal["endOfCandidates"]:
                    await self._add(None)

    async def _describe(self, kind: str, sdp: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        waiting, self._waiting = self._waiting, []
        for candidate in waiting:
            await self.connection.addIceCandidate(candidate)

    async def _add(self, candidate: RTCIceCandidate | None) -> None:
        if self.connection.remoteDescription is None:
            self._waiting.append(candidate)
        else:
            await self.connection.addIceCandidate(candidate)

    # ------------------------------------------------------------------------------------------ media

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "chat":
            self._watch_channel(channel)

    def _watch_channel(self, channel: RTCDataChannel) -> None:
        """Each side says something once, and says back what it hears."""
        said = f"hello from {self.person.name}"

        def on_open() -> None:
            channel.send(f"say: {said}")

        def on_message(message: str) -> None:
            verb, _, text = message.partition(": ")
            if verb == "say":
                channel.send(f"echo: {text}")
            elif text == said and not self._echoed.done():
                self._tell(f"hears its own words come back: {text!r}")
                self._echoed.set_result(text)

        channel.on("message", on_message)
        if channel.readyState == "open":
            on_open()
        else:
            channel.on("open", on_open)

    def _on_track(self, track: MediaStreamTrack) -> None:
        async def watch() -> None:
            frame = await track.recv()
            if isinstance(frame, VideoFrame) and not self._seen.done():
                self._tell(f"sees {self.seat.partner_name}: a frame of {frame.width} x {frame.height}")
                self._seen.set_result((frame.width, frame.height))

        self._tasks.add(asyncio.create_task(watch()))


def split(sdp: str) -> tuple[str, list[JSON]]:
    """A description without its candidates, and those as `IceCandidateInput`, in order."""
    lines: list[str] = []
    found: list[tuple[int, str]] = []
    mids: dict[int, str] = {}
    index = -1
    for line in sdp.splitlines():
        index += line.startswith("m=")
        name, _, value = line.partition(":")
        if name == "a=mid":
            mids[index] = value
        if name == "a=candidate":
            found.append((index, line.removeprefix("a=")))
        elif name != "a=end-of-candidates":
            lines.append(line)
    candidates = [{"candidate": text, "sdpMid": mids.get(index), "sdpMLineIndex": index} for index, text in found]
    return "\r\n".join(lines) + "\r\n", candidates  # a missing last line end is an error to browsers


def received_candidate(candidate: JSON) -> RTCIceCandidate | None:
    """What `addIceCandidate` takes; None for the empty string, which marks the end."""
    if not candidate["candidate"]:
        return None
    parsed = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
    parsed.sdpMid, parsed.sdpMLineIndex = candidate["sdpMid"], candidate["sdpMLineIndex"]
    return parsed


async def call(
    one: Person, one_seat: Seat, other: Person, other_seat: Seat, tell: Callable[[Person, str], None]
) -> tuple[Call, Call]:
    """Lets two matched people talk, each over the `signals` of their room on a socket of their own; ends the call again."""
    socket, other_socket = await one.connect(), await other.connect()
    peer = Peer(one, one_seat, tell=lambda text: tell(one, text))
    other_peer = Peer(other, other_seat, tell=lambda text: tell(other, text))
    try:
        signals = await socket.subscribe(documents.SIGNALS, roomId=one_seat.room_id)
        other_signals = await other_socket.subscribe(documents.SIGNALS, roomId=other_seat.room_id)
        return await asyncio.gather(peer.talk(signals), other_peer.talk(other_signals))
    finally:
        await asyncio.gather(peer.hang_up(), other_peer.hang_up())
        await asyncio.gather(socket.close(), other_socket.close())

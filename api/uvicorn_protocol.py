"""Uvicorn's sans-I/O WebSocket protocol, mended where a client could hold on to the server, and made short where messages pass.

With any of Uvicorn's implementations a client that stops reading is never released: closing waits for the write
buffer to drain. Here the buffers are small, an application can abort a connection, and every close is followed by an
abort.

A text message in one frame, which is nearly all there is, passes neither by the state machine of `websockets` nor through ASGI:
both together cost as much as the rest of a relay. Handshake, close, pings and fragments do, as before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.protocol import Protocol as Frames
from websockets.protocol import State

from api.connections.buffers import CLOSE_SECONDS, WRITE_BUFFER, Writer, bound, drop, outstanding
from api.connections.slim import SlimEvent, SlimQueue
from api.connections.spreading import spread_of
from api.connections.turns import turn_of
from api.uvicorn_http import HEAD_BYTES, ParleyHTTPProtocol
from api.websocket_frames import WHOLE_TEXT, Cutter, framed, payload_of

if TYPE_CHECKING:
    from asyncio.transports import BaseTransport
    from collections.abc import Callable, Iterable

    from uvicorn._types import ASGISendEvent
    from websockets.frames import Frame
    from websockets.http11 import Request

MAX_FRAME = 1024 * 1024
"""Bytes of one message from a client, unless a setting says other; a larger one closes with 1009."""

MAX_FRAGMENTS = 1_024
"""Frames of one message: empty ones add nothing to its size and would be collected for ever."""

MESSAGES_AHEAD = 1
"""Messages that may wait to be taken while more is read: pausing and resuming costs two system calls, and most come alone."""


OPEN = State.OPEN
"""Looked up once: an enum's class is slow to give its members."""


class Disconnected(Exception):
    """There is nobody on the connection any more, or there will not be in a moment."""


class Wire(Writer, Protocol):
    """What an application may do beside ASGI, at `scope["extensions"]["parley"]`. Messages come only here."""

    listener: Callable[[bytes], bool] | None
    """Is told of a text that comes alone, while whoever called `next_message` waits: True means that it has seen to it. That saves
    waking a task. It must not raise.
    """

    async def next_message(self) -> bytes | None:
        """Wait for the next message, to be called by one task at a time: a text, not yet looked at, or None for what is no text.
        Raises `Disconnected`.
        """
        ...

    @property
    def too_long(self) -> bool:
        """Whether the client sent a message that is too long, or in too many pieces: that is why it is disconnected."""
        ...


class ParleyWebSocketProtocol(WebSocketsSansIOProtocol):
    """The class for `uvicorn.Config(ws=...)`; also the `Wire` of its connection."""

    heard_at = 0.0
    too_long = False
    _cutting = False
    """Whether frames that were read wait to be cut."""
    listener: Callable[[bytes], bool] | None = None
    _held: bytes = b""
    """Whole frames that wait for the end of the loop's turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Uvicorn's
        super().__init__(*args, **kwargs)
        self._cutter: Cutter | None = None
        """None until the handshake, and for good when a client sent what no client may."""
        self.queue = SlimQueue()  # type: ignore[assignment]  # does what Uvicorn asks of it
        self.writable = SlimEvent()  # type: ignore[assignment]

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        bound(self.transport)
        self._turn = turn_of(self.loop)
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._abort_timer is not None:
            self._abort_timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        if self._cutter is None:
            super().data_received(data)
            return
        frames, wrong = self._cutter.cut(data)
        for frame in frames:
            if frame[0] == WHOLE_TEXT and not self.frames and self.conn.state is OPEN:
                text = payload_of(frame)
                if (
                    self.listener is None
                    or len(frames) > 1
                    or not cast("SlimQueue", self.queue).waited_for
                    or not self.listener(text)
                ):
                    self._arrived(text)
            else:
                self.flush()
                super().data_received(frame)
        if wrong:
            self._cutter = None
            self.flush()
            super().data_received(wrong)
        elif self._cutter.more or self._cutting:
            self._cut_on(more=self._cutter.more)

    def _cut_on(self, *, more: bool) -> None:
        """Goes on later with what was read, and reads no more until all of it is cut."""
        if more:
            spread_of(self.loop).add(self._cut_again)
            self.transport.pause_reading()
        elif not self.read_paused:
            self.transport.resume_reading()
        self._cutting = more

    def _cut_again(self) -> None:
        if not self.disconnected:
            self.data_received(b"")

    @property
    def outstanding(self) -> int:
        """See `Writer`. The kernel's part matters: it lets us write again only once a third of its buffer is free."""
        return 0 if self.disconnected else outstanding(self.transport) + len(self._held)

    def write(self, frames: Iterable[bytes]) -> bool:
        """See `Writer`. It leaves at the end of the loop's turn, or once it is more than may wait."""
        if self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        held = self._held
        self._held = b"".join([held, *map(framed, frames)])
        if len(self._held) > WRITE_BUFFER:
            self.flush()
        elif not held:
            self._turn.add(self)
        return True

    def flush(self) -> None:
        """See `Holder`."""
        held, self._held = self._held, b""
        if held and not self.disconnected and not self.transport.is_closing():
            self.transport.write(held)

    async def next_message(self) -> bytes | None:
        """See `Wire`."""
        if not self.queue.empty():
            # A chunk of the network may hold many frames, each with a document to validate: others get their turn.
            await asyncio.sleep(0)
        message = cast("bytes | dict[str, Any] | None", await self.queue.get())
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if not self._cutting:
                self.transport.resume_reading()
        if isinstance(message, dict):  # What Uvicorn tells an application: that there is nobody any more.
            raise Disconnected
        return message

    def abort(self) -> None:
        """See `Writer`."""
        drop(self.transport)

    # --- what is mended ---------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - Switching Protocols
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions["parley"] = self
            # The one that read the handshake goes on holding it. Nothing came behind it, so the next is at a frame's beginning.
            self.conn.parser = Frames.parse(self.conn)
            next(self.conn.parser)
            self._cutter = Cutter(self.config.ws_max_size)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        # A client that pings and does not read would fill the buffer with pongs: RFC 6455 asks only for the latest. What
        # one read of the network (256 KiB) asked for may still be written at once.
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if not self.close_sent:
            self._arrived(data if self.curr_msg_data_type == "text" else None)

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._abort_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self.too_long = self.conn.close_sent is not None and self.conn.close_sent.code == CloseCode.MESSAGE_TOO_BIG
        self._abort_later()

    def shutdown(self) -> None:
        self.flush()
        super().shutdown()
        self._abort_later()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._abort_later()

    async def send(self, message: ASGISendEvent) -> None:
        self.flush()
        if message["type"] == "websocket.close" and self.handshake_complete:
            # Uvicorn would wait until the buffer drains, and raise if the client went first.
            self._abort_later()
            self.writable.set()
            if self.close_sent or self.disconnected:
                raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.accept":
            del self.request, self.response  # 4 KB that nobody asks for again
        if self.close_sent:
            # Uvicorn forgets this after an HTTP answer to a handshake, and then logs that there was none.
            self.handshake_complete = True

    def _arrived(self, message: bytes | None) -> None:
        self.queue.put_nowait(message)  # type: ignore[arg-type]  # not Uvicorn's, and not for ASGI
        if len(cast("SlimQueue", self.queue)) > MESSAGES_AHEAD and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _abort_later(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(CLOSE_SECONDS, self.abort)


def uvicorn_settings(*, max_frame: int = MAX_FRAME) -> dict[str, Any]:
    """What `uvicorn.Config` must be given for the transport to keep its promises.

    Uvicorn's pings are off (the socket has its own, which browsers' clients see), and so is compression: it costs 30%
    of subscription throughput. Its access log would hold addresses of people.
    """
    return {
        "http": ParleyHTTPProtocol,
        "ws": ParleyWebSocketProtocol,
        "ws_max_size": max_frame,
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "ws_per_message_deflate": False,
        "access_log": False,
        "server_header": False,
    }

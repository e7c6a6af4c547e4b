"""A small GraphQL client such as a front end has: HTTP to ask once, one `graphql-transport-ws` socket for what happens."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.acceptance import documents
from tests.encoding import base64
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.asyncio.client import ClientConnection

JSON = dict[str, Any]


class GraphQLFailure(Exception):
    """The answer has top-level errors; `codes` are their `extensions.code`."""

    def __init__(self, errors: list[JSON], status: int | None = None) -> None:
        super().__init__(json.dumps(errors))
        self.errors = errors
        self.status = status

    @property
    def codes(self) -> set[str | None]:
        """What went wrong, as a front end is told."""
        return {error.get("extensions", {}).get("code") for error in self.errors}


class Closed(Exception):
    """The server closed the socket, or the network did (1006)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class Ended(Exception):
    """The subscription completed."""


class Subscription:
    """What one operation on a socket yields, in order; iterate, or ask for the next thing with a deadline."""

    def __init__(self, socket: Socket, id: str) -> None:
        self.id = id
        self.seen: list[JSON] = []
        self._socket = socket
        self.arrived: asyncio.Queue[JSON | Exception] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JSON:
        try:
            return await self.next(None)
        except Ended:
            raise StopAsyncIteration from None

    async def next(self, within: float | None = DEADLINE) -> JSON:
        """The value of the only field of what comes next. Raises `GraphQLFailure`, `Closed`, `Ended` or `TimeoutError`."""
        async with asyncio.timeout(within):
            thing = await self.arrived.get()
        if isinstance(thing, Exception):
            self.arrived.put_nowait(thing)  # whoever asks again learns the same
            raise thing
        (event,) = thing.values()
        self.seen.append(event)
        return dict(event)

    async def until(self, kind: str, within: float = DEADLINE, **fields: object) -> JSON:
        """The next event of that `__typename` whose fields have those values; what comes before stays in `seen`."""
        try:
            async with asyncio.timeout(within):
                while True:
                    event = await self.next(None)
                    if event.get("__typename") == kind and all(
                        event.get(name) == value for name, value in fields.items()
                    ):
                        return event
        except TimeoutError:
            seen = [event.get("__typename") for event in self.seen]
            raise TimeoutError(f"no {kind} {fields or ''} within {within} s; seen so far: {seen}") from None

    @property
    def cursor(self) -> str | None:
        """Where the last event stood: what a client hands back after a reconnection."""
        return str(self.seen[-1]["cursor"]) if self.seen else None

    async def stop(self) -> None:
        """Tells the server that nobody reads any more."""
        await self._socket.send({"id": self.id, "type": "complete"})


class Socket:
    """One `graphql-transport-ws` connection: any number of operations, pings answered."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._numbers = itertools.count(1)
        self._operations: dict[str, Subscription] = {}
        self._acknowledged = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls, url: str, token: str | None = None, *, after: str | None = None, origin: str | None = None
    ) -> Self:
        """Connects to the HTTP address of the API and initialises. Raises `Closed` when the server refuses."""
        connection = await connect(
            url.replace("http", "ws", 1),
            subprotocols=[Subprotocol("graphql-transport-ws")],
            origin=origin,  # type: ignore[arg-type]  # a NewType over str
            compression=None,
            ping_interval=None,
            max_size=None,
            proxy=None,
        )
        socket = cls(connection)
        payload = {} if token is None else {"authorization": f"Bearer {token}"}
        if after is not None:
            payload["after"] = after
        await socket.send({"type": "connection_init", "payload": payload})
        acknowledged = asyncio.create_task(socket._acknowledged.wait())
        await asyncio.wait({acknowledged, socket._reader}, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        acknowledged.cancel()
        if socket._reader.done():
            raise socket._reader.result()
        if not socket._acknowledged.is_set():
            await socket.abort()
            raise TimeoutError("the server did not acknowledge connection_init")
        return socket

    async def send(self, message: JSON) -> None:
        """Raises `Closed`."""
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        """A frame as it is, well-formed or not. Raises `Closed`."""
        try:
            await self.connection.send(text)
        except ConnectionClosed as closed:
            raise _closed(closed) from None

    async def subscribe(self, document: str, **variables: object) -> Subscription:
        """Starts an operation; what it yields is read from the returned subscription."""
        subscription = Subscription(self, str(next(self._numbers)))
        self._operations[subscription.id] = subscription
        payload = {
            "query": document,
            "variables": {name: value for name, value in variables.items() if value is not None},
        }
        await self.send({"id": subscription.id, "type": "subscribe", "payload": payload})
        return subscription

    async def run(self, document: str, **variables: object) -> JSON:
        """A query or mutation over the socket, in the order of its frames: the value of its only field."""
        return await (await self.subscribe(document, **variables)).next()

    async def abort(self) -> None:
        """Tears the connection as a lost network does: no close frame. Idempotent."""
        self.connection.transport.abort()
        await self.closed()

    async def close(self) -> None:
        """Closes as a page does that is left. Idempotent."""
        await self.connection.close()
        await self.closed()

    async def closed(self, within: float = DEADLINE) -> Closed:
        """Waits for the end of the connection, and tells how it ended."""
        return await asyncio.wait_for(asyncio.shield(self._reader), within)

    async def _read(self) -> Closed:
        try:
            while True:
                await self._take(json.loads(await self.connection.recv()))
        except ConnectionClosed as closed:
            failure = _closed(closed)
        for operation in self._operations.values():
            operation.arrived.put_nowait(failure)
        return failure

    async def _take(self, message: JSON) -> None:
        match message["type"]:
            case "connection_ack":
                self._acknowledged.set()
            case "ping":
                await self.connection.send('{"type":"pong"}')
            case "next":
                payload = message["payload"]
                failed = payload.get("errors")
                self._operations[message["id"]].arrived.put_nowait(
                    GraphQLFailure(failed) if failed else payload["data"]
                )
            case "error":
                self._operations.pop(message["id"]).arrived.put_nowait(GraphQLFailure(message["payload"]))
            case "complete":
                finished = self._operations.pop(message["id"], None)
                if finished is not None:
                    finished.arrived.put_nowait(Ended())


def _closed(closed: ConnectionClosed) -> Closed:
    frame = closed.rcvd
    return Closed(frame.code, frame.reason) if frame else Closed(1006, "")


class Api:
    """The HTTP side of one server."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self.http = httpx.AsyncClient(base_url=self.base, timeout=DEADLINE, trust_env=False)

    @property
    def url(self) -> str:
        """Where GraphQL is served."""
        return f"{self.base}/graphql"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def run(self, document: str, token: str | None = None, **variables: object) -> JSON:
        """All of `data`. Raises `GraphQLFailure` when there are errors."""
        headers = {"accept": "application/graphql-response+json", "content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        answer = await self.http.post(
            "/graphql", content=json.dumps({"query": document, "variables": variables}), headers=headers
        )
        body = answer.json()
        if body.get("errors"):
            raise GraphQLFailure(body["errors"], answer.status_code)
        return dict(body["data"])

    async def sign_in(self, display_name: str, device_token: str | None = None) -> Person:
        """A new account, as the first click of a newcomer makes it; with the token that a device was given, on that device."""
        data = await self.run(documents.SIGN_IN, input={"displayName": display_name, "deviceToken": device_token})
        payload = data["signInAnonymously"]
        return Person(self, display_name, dict(payload["session"]), payload["deviceToken"])

    async def sign_in_operator(self, name: str, token: str) -> Person:
        """Whoever has the token that `operator add` printed."""
        data = await self.run(documents.SIGN_IN_OPERATOR, input={"token": token})
        return Person(self, name, dict(data["signInOperator"]["session"]))


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a match has put a person: what they need to know to talk to the other one."""

    room_id: str
    member_id: str
    partner_id: str
    partner_name: str
    polite: bool
    cursor: str


class Person:
    """Somebody with an account, and the socket of the one tab that they have open."""

    def __init__(self, api: Api, name: str, session: JSON, device_token: str | None = None) -> None:
        self.api = api
        self.name = name
        self.session = session
        self.device_token = device_token
        self.events: Subscription | None = None
        self._sockets = AsyncExitStack()

    @property
    def token(self) -> str:
        """The access token."""
        return str(self.session["accessToken"])

    async def ask(self, document: str, **variables: object) -> JSON:
        """All of `data`, over HTTP."""
        return await self.api.run(document, self.token, **variables)

    async def run(self, document: str, **variables: object) -> JSON:
        """The payload of a mutation, over HTTP."""
        (payload,) = (await self.ask(document, **variables)).values()
        return dict(payload)

    async def state(self) -> JSON:
        """All that the person can see of their own standing."""
        return await self.ask(documents.STATE)

    async def refresh(self) -> JSON:
        """Trades the refresh token for a new session and keeps that; returns the payload."""
        data = await self.api.run(documents.REFRESH, input={"refreshToken": self.session["refreshToken"]})
        payload: JSON = data["refreshSession"]
        if payload["__typename"] == "RefreshSessionSuccess":
            self.session = payload["session"]
        return payload

    async def connect(self, after: str | None = None) -> Socket:
        """Another socket of theirs; `leave` closes it."""
        socket = await Socket.open(self.api.url, self.token, after=after)
        self._sockets.push_async_callback(socket.close)
        return socket

    async def arrive(self) -> Subscription:
        """Opens a socket and follows `events`, up to the snapshot that says that nothing is missed from now on."""
        socket = await self.connect()
        self.events = await socket.subscribe(documents.EVENTS)
        await self.events.until("MatchSnapshot")
        return self.events

    @property
    def inbox(self) -> Subscription:
        """The `events` that `arrive` follows."""
        assert self.events is not None, f"{self.name} has not arrived"
        return self.events

    async def join(self, *interests: str, patience: int = 120, **other: object) -> JSON:
        """Joins the queue; by default they hold out for a shared interest, so that nobody else of the server is met."""
        return await self.run(documents.JOIN, input={"interests": list(interests), "patience": patience, **other})

    async def matched(self, within: float = DEADLINE) -> Seat:
        """Waits for the next `Matched`."""
        event = await self.inbox.until("Matched", within)
        partner = event["partner"]
        me = event["room"]["me"]
        return Seat(
            event["room"]["id"], me["id"], partner["id"], partner["displayName"], partner["polite"], event["cursor"]
        )

    async def skip(self, room_id: str, *, requeue: bool = True) -> JSON:
        """Ends the match."""
        return await self.run(documents.SKIP, input={"roomId": room_id, "requeue": requeue})

    async def send(self, to: str, signal: JSON, **other: object) -> JSON:
        """Sends a signal to a member."""
        return await self.run(documents.SEND_SIGNAL, input={"to": to, "signal": signal, **other})

    async def create_room(self, name: str = "Friends", **other: object) -> JSON:
        """Opens an invite room and returns it, with its `inviteCode`. The seat lasts while they are connected: `arrive` first."""
        payload = await self.run(documents.CREATE_ROOM, input={"name": name, **other})
        return dict(payload["room"])

    async def join_room(self, invite_code: str) -> JSON:
        """Takes a seat in the room of that invite: the payload."""
        return await self.run(documents.JOIN_ROOM, input={"inviteCode": invite_code})

    async def in_room(self, document: str, room_id: str) -> JSON:
        """LEAVE_ROOM, ROTATE_INVITE or CLOSE_ROOM: the payload."""
        return await self.run(document, input={"roomId": room_id})

    async def act_on(self, document: str, member_id: str) -> JSON:
        """MUTE, UNMUTE, KICK, PROMOTE or DEMOTE: the payload."""
        return await self.run(document, input={"memberId": member_id})

    async def say(
        self, room_id: str, ciphertext: bytes, client_message_id: str, commitment: bytes | None = None
    ) -> JSON:
        """Sends a message into the room: the payload."""
        fields: JSON = {"roomId": room_id, "ciphertext": base64(ciphertext), "clientMessageId": client_message_id}
        if commitment is not None:
            fields["commitment"] = base64(commitment)
        return await self.run(documents.SEND_MESSAGE, input=fields)

    async def messages(self, room_id: str, **page: object) -> JSON:
        """A page of the room's messages, by `first` and `after`, `last` and `before`, or the last 50."""
        return dict((await self.ask(documents.MESSAGES, roomId=room_id, **page))["messages"])

    async def publish_keys(self, bundle: JSON) -> JSON:
        """Publishes a bundle that is a `PublishKeysInput`: the payload."""
        return await self.run(documents.PUBLISH_KEYS, input=bundle)

    async def claim_keys(self, member_id: str, request_id: str) -> JSON:
        """Takes the member's bundle with a one-time key: the payload."""
        return await self.run(documents.CLAIM_KEYS, input={"memberId": member_id, "requestId": request_id})

    async def keys(self, room_id: str) -> list[JSON]:
        """The bundles of the room's members."""
        return list((await self.ask(documents.KEYS, roomId=room_id))["keys"])

    async def follow(self, document: str, room_id: str, after: str | None = None) -> Subscription:
        """SIGNALS, PRESENCE, MESSAGES_LIVE or KEYS_LIVE of a room, over a socket of its own."""
        return await (await self.connect()).subscribe(document, roomId=room_id, after=after)

    async def leave(self) -> None:
        """Closes every socket, as somebody does who closes the tab. Idempotent."""
        await self._sockets.aclose()

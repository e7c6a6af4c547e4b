"""What Parley is compared with: a bare Starlette WebSocket server that sends and takes the same frames, written by hand.

It pairs whoever comes next and passes signals on, and in rooms messages, out of dictionaries. No GraphQL, no accounts, no rules, no
database: what is left is the price of JSON and of frames on Uvicorn. `python -m bench.relay PORT` serves it.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import TYPE_CHECKING, Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

JSON = dict[str, Any]
NOW = "2026-01-01T00:00:00.000Z"
CURSOR = "aQAAAAAAAAAAAAAAAAAAAAA"
TICKET: JSON = {
    "id": str(uuid.uuid4()),
    "status": "WAITING",
    "mode": "VIDEO",
    "interests": [],
    "languages": [],
    "enqueuedAt": NOW,
    "widensAt": NOW,
    "room": None,
}
ROOM: JSON = {
    "kind": "INVITE",
    "mode": None,
    "name": "Load",
    "capacity": 16,
    "sharedInterests": [],
    "createdAt": NOW,
    "closedAt": None,
}
FRANKING_TAG = {"keyId": "relay", "ciphertextHash": "x" * 44, "tag": "x" * 44}


class Client:
    """One socket, and the member that it is in its present room."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.events_id = ""
        self.member_id = ""
        self.partner: Client | None = None
        self.seat: JSON = {}
        self.messages_id = ""

    async def send(self, message: JSON) -> None:
        """One frame."""
        await self.socket.send_text(orjson.dumps(message).decode())

    async def tell(self, event: JSON) -> None:
        """One event, to each of the client's subscriptions."""
        for field, id in (("events", self.events_id), ("messages", self.messages_id)):
            if id:
                payload = {"data": {field: {**event, "cursor": CURSOR, "at": NOW}}}
                await self.send({"id": id, "type": "next", "payload": payload})

    async def answer(self, id: str, field: str, payload: JSON) -> None:
        """The two frames that end a mutation."""
        await self.send({"id": id, "type": "next", "payload": {"data": {field: payload}}})
        await self.send({"id": id, "type": "complete"})


class Room:
    """Those in an INVITE room. One message at a time is passed on, so that everybody has them in one order."""

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self.members: list[Client] = []
        self.turn = asyncio.Lock()

    def seat(self, client: Client) -> JSON:
        """Takes a seat; returns the room as the client sees it."""
        client.seat = _member(str(uuid.uuid4()), polite=False)
        self.members.append(client)
        return {
            **ROOM,
            "id": self.id,
            "inviteCode": self.id,
            "me": client.seat,
            "members": [member.seat for member in self.members],
        }


class Relay:
    """Everybody who is connected."""

    def __init__(self) -> None:
        self._members: dict[str, Client] = {}
        self._rooms: dict[str, Room] = {}
        self._waiting: Client | None = None

    async def serve(self, socket: WebSocket) -> None:
        """One connection, to its end."""
        await socket.accept(subprotocol="graphql-transport-ws")
        client = Client(socket)
        try:
            while True:
                await self._take(client, orjson.loads(await socket.receive_text()))
        except WebSocketDisconnect:
            return
        finally:
            if self._waiting is client:
                self._waiting = None
            if client.partner is not None:
                client.partner.partner = None
            for room in self._rooms.values():
                room.members = [member for member in room.members if member is not client]

    async def _take(self, client: Client, message: JSON) -> None:
        if message["type"] == "connection_init":
            await client.send({"type": "connection_ack"})
        if message["type"] == "ping":
            await client.send({"type": "pong"})
        if message["type"] != "subscribe":
            return
        id, payload = message["id"], message["payload"]
        match payload["operationName"]:
            case "SignIn":
                session = {"accessToken": "x" * 450, "refreshToken": "x" * 50}
                await client.answer(
                    id, "signInAnonymously", {"__typename": "SignInAnonymouslySuccess", "session": session}
                )
            case "Events":
                client.events_id = id
                await client.tell({"__typename": "MatchSnapshot", "waitingTicket": None, "currentRoom": None})
            case "Send":
                given = payload["variables"]["input"]
                await self._pass_on(client, given)
                await client.answer(id, "sendSignal", {"__typename": "SendSignalSuccess", "id": str(uuid.uuid4())})
            case "Join":
                await client.answer(id, "joinQueue", {"__typename": "JoinQueueSuccess", "ticket": TICKET})
                await self._queue(client)
            case "Skip":
                await client.answer(id, "skip", {"__typename": "SkipSuccess", "ticket": TICKET})
                await self._part(client)
                await self._queue(client)
            case name:
                await self._take_in_room(client, id, name, payload["variables"])

    async def _take_in_room(self, client: Client, id: str, name: str, variables: JSON) -> None:
        match name:
            case "CreateRoom":
                room = Room()
                self._rooms[room.id] = room
                seen = room.seat(client)
                await client.answer(id, "createRoom", {"__typename": "CreateRoomSuccess", "room": seen})
            case "JoinRoom":
                seen = self._rooms[variables["input"]["inviteCode"]].seat(client)
                await client.answer(id, "joinRoom", {"__typename": "JoinRoomSuccess", "room": seen})
            case "MessagesOf":
                client.messages_id = id
            case "SendMessage":
                edge = await self._write(client, variables["input"])
                await client.answer(id, "sendMessage", {"__typename": "SendMessageSuccess", "edge": edge})

    async def _write(self, client: Client, given: JSON) -> JSON:
        room = self._rooms[given["roomId"]]
        node = {
            "id": str(uuid.uuid4()),
            "sender": {"id": client.seat["id"]},
            "clientMessageId": given["clientMessageId"],
            "ciphertext": given["ciphertext"],
            "commitment": given.get("commitment"),
            "frankingTag": FRANKING_TAG,
            "sentAt": NOW,
        }
        event = {"__typename": "MessageSent", "room": {"id": room.id}, "edge": {"cursor": CURSOR, "node": node}}
        async with room.turn:
            for member in room.members:
                await member.tell(event)
        return {"cursor": CURSOR, "node": node}

    async def _pass_on(self, client: Client, given: JSON) -> None:
        ((kind, signal),) = given["signal"].items()
        name = {"offer": "Offer", "answer": "Answer", "candidates": "IceCandidates"}[kind]
        event = {
            "__typename": "SignalReceived",
            "id": str(uuid.uuid4()),
            "callId": given.get("callId"),
            "room": {"id": TICKET["id"]},
            "sender": {"id": client.member_id},
            "signal": {"__typename": name, **signal},
        }
        partner = self._members.get(given["to"])
        if partner is not None and partner.partner is not None:
            await partner.tell(event)

    async def _part(self, client: Client) -> None:
        partner = client.partner
        if partner is None:
            return
        room = {"id": TICKET["id"], "closedAt": NOW, "members": [], "me": None}
        member = _member(client.member_id, polite=True)
        await client.tell({"__typename": "MatchEnded", "matchEndReason": "YOU_SKIPPED", "room": room})
        await partner.tell({"__typename": "MemberLeft", "memberLeaveReason": "LEFT", "room": room, "member": member})
        await partner.tell({"__typename": "MatchEnded", "matchEndReason": "PARTNER_LEFT", "room": room})
        for side in (client, partner):
            self._members.pop(side.member_id, None)
            side.partner = None

    async def _queue(self, client: Client) -> None:
        await client.tell({"__typename": "QueueJoined", "ticket": TICKET})
        if self._waiting is None:
            self._waiting = client
            return
        first, self._waiting, room_id = self._waiting, None, str(uuid.uuid4())
        first.partner, client.partner = client, first
        for side in (first, client):
            side.member_id = str(uuid.uuid4())
            self._members[side.member_id] = side
        for side, other, polite in ((first, client, True), (client, first, False)):
            me, partner = _member(side.member_id, polite=False), _member(other.member_id, polite=polite)
            room = {
                **ROOM,
                "id": room_id,
                "kind": "MATCH",
                "mode": "VIDEO",
                "name": None,
                "inviteCode": None,
                "capacity": 2,
                "me": me,
                "members": [me, partner],
            }
            await side.tell({"__typename": "Matched", "ticket": TICKET, "room": room, "partner": partner})


def _member(id: str, *, polite: bool) -> JSON:
    media = {"camera": False, "microphone": False, "screen": False}
    return {
        "id": id,
        "displayName": "Load",
        "role": "MEMBER",
        "muted": False,
        "status": "ONLINE",
        "media": media,
        "typing": False,
        "polite": polite,
        "joinedAt": NOW,
    }


def serve(path: str, endpoint: Callable[[WebSocket], Awaitable[None]]) -> None:
    """Serves one WebSocket route on the port of the command line until it is stopped, with the settings that suit a relay best."""
    app = Starlette(
        routes=[
            WebSocketRoute(path, endpoint),
            Route("/readyz", lambda _: PlainTextResponse("ready")),
        ]
    )
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="warning",
        lifespan="off",
        backlog=2048,
    )


if __name__ == "__main__":
    serve("/graphql", Relay().serve)

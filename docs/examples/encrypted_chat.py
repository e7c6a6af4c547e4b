"""Two people talk through a Parley server that cannot read a word.

    pip install httpx websockets X3DH DoubleRatchet
    python docs/examples/encrypted_chat.py http://localhost:8000

From top to bottom: the GraphQL documents, the API over HTTP and WebSocket, a person, and the story that `main` tells. The
cryptography is in `end_to_end.py` beside it. docs/ENCRYPTION.md walks through both.
"""
# ruff: noqa: INP001, T201 - a script: it tells its story line by line

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Self

import httpx
from end_to_end import Conversation, Device, IdentityChanged, Opened
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

JSON = dict[str, Any]
DEADLINE = 30.0
"""Seconds that anything here may take."""

# ------------------------------------------------------------------------------------------ documents

_FAILURE = "__typename ... on UserError { message }"
_BUNDLE = "identityKey signedPreKey { keyId key signature } oneTimePreKey { keyId key }"
_ROOM = "id inviteCode me { id } members { id displayName }"
_MESSAGE = "id sender { id } ciphertext commitment frankingTag { keyId ciphertextHash tag } sentAt"

SIGN_IN = f"""mutation ($input: SignInAnonymouslyInput!) {{
  signInAnonymously(input: $input) {{ {_FAILURE} ... on SignInAnonymouslySuccess {{ session {{ accessToken }} }} }}
}}"""
CREATE_ROOM = f"""mutation ($input: CreateRoomInput!) {{
  createRoom(input: $input) {{ {_FAILURE} ... on CreateRoomSuccess {{ room {{ {_ROOM} }} }} }}
}}"""
JOIN_ROOM = f"""mutation ($input: JoinRoomInput!) {{
  joinRoom(input: $input) {{ {_FAILURE} ... on JoinRoomSuccess {{ room {{ {_ROOM} }} }} }}
}}"""
PUBLISH_KEYS = f"""mutation ($input: PublishKeysInput!) {{
  publishKeys(input: $input) {{ {_FAILURE} ... on PublishKeysSuccess {{ oneTimePreKeyCount }} }}
}}"""
ADD_KEYS = f"""mutation ($input: AddOneTimePreKeysInput!) {{
  addOneTimePreKeys(input: $input) {{ {_FAILURE} ... on AddOneTimePreKeysSuccess {{ oneTimePreKeyCount }} }}
}}"""
CLAIM_KEYS = f"""mutation ($input: ClaimKeyBundleInput!) {{
  claimKeyBundle(input: $input) {{ {_FAILURE} ... on ClaimKeyBundleSuccess {{ bundle {{ {_BUNDLE} }} }} }}
}}"""
SEND_MESSAGE = f"""mutation ($input: SendMessageInput!) {{
  sendMessage(input: $input) {{ {_FAILURE} ... on SendMessageSuccess {{ edge {{ cursor node {{ id }} }} }} }}
}}"""
KEYS = "query ($roomId: ID!) { keys(roomId: $roomId) { member { id } identityKey } }"
SNAPSHOT = "subscription { events { __typename ... on Event { cursor } } }"
MESSAGES = f"""subscription ($roomId: ID!, $after: Cursor) {{
  messages(roomId: $roomId, after: $after) {{
    __typename ... on Event {{ cursor }} ... on MessageSent {{ edge {{ node {{ {_MESSAGE} }} }} }}
  }}
}}"""
KEY_EVENTS = """subscription ($roomId: ID!, $after: Cursor) {
  keyEvents(roomId: $roomId, after: $after) {
    __typename ... on Event { cursor }
    ... on KeysPublished { identityChanged member { id } } ... on PreKeysLow { remaining }
  }
}"""


# ------------------------------------------------------------------------------------------ the API


class Failed(Exception):
    """The server refused, in a sentence."""


class Feed:
    """What one subscription tells, in its order."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[JSON | Exception] = asyncio.Queue()

    async def next(self, kind: str, **fields: object) -> JSON:
        """The next event of that kind with those fields; others are passed over. Raises `Failed` or `TimeoutError`."""
        async with asyncio.timeout(DEADLINE):
            while True:
                event = await self.arrived.get()
                if isinstance(event, Exception):
                    raise event
                if event["__typename"] == kind and all(event[name] == value for name, value in fields.items()):
                    return event


class Connection:
    """One account: mutations and queries over HTTP, subscriptions over one `graphql-transport-ws` socket."""

    def __init__(self, http: httpx.AsyncClient, token: str, socket: ClientConnection) -> None:
        self._http, self._token, self._socket = http, token, socket
        self._feeds: dict[str, Feed] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def sign_in(cls, http: httpx.AsyncClient, display_name: str) -> Self:
        """Makes an account and connects. Raises `Failed`."""
        token: str = (await _run(http, SIGN_IN, displayName=display_name))["session"]["accessToken"]
        url = str(http.base_url.join("graphql")).replace("http", "ws", 1)
        socket = await connect(url, subprotocols=[Subprotocol("graphql-transport-ws")])
        payload = {"authorization": f"Bearer {token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await socket.recv()  # connection_ack
        return cls(http, token, socket)

    async def run(self, document: str, **fields: object) -> JSON:
        """A mutation with that input: the payload. Raises `Failed`."""
        return await _run(self._http, document, self._token, **fields)

    async def query(self, document: str, **variables: object) -> Any:  # noqa: ANN401 - a list or an object
        """The value of a query's only field. Raises `Failed`."""
        return await _ask(self._http, document, self._token, variables)

    async def subscribe(self, document: str, **variables: object) -> Feed:
        """Starts a subscription."""
        feed = Feed()
        name = str(uuid.uuid4())
        self._feeds[name] = feed
        payload = {"query": document, "variables": variables}
        await self._socket.send(json.dumps({"id": name, "type": "subscribe", "payload": payload}))
        return feed

    async def close(self) -> None:
        """Hangs up."""
        await self._socket.close()
        await self._reading

    async def _read(self) -> None:
        over: Exception = Failed("the connection was closed")
        try:
            async for frame in self._socket:
                message = json.loads(frame)
                match message["type"]:
                    case "ping":
                        await self._socket.send('{"type":"pong"}')
                    case "next":
                        self._feeds[message["id"]].arrived.put_nowait(_only(message["payload"]))
                    case "error":
                        self._feeds[message["id"]].arrived.put_nowait(Failed(message["payload"][0]["message"]))
        except (ConnectionClosed, Failed) as error:
            over = error
        for feed in self._feeds.values():
            feed.arrived.put_nowait(over)


async def _run(http: httpx.AsyncClient, document: str, token: str | None = None, **fields: object) -> JSON:
    payload: JSON = await _ask(http, document, token, {"input": fields})
    if payload["__typename"].endswith("Error"):
        raise Failed(payload["message"])
    return payload


async def _ask(http: httpx.AsyncClient, document: str, token: str | None, variables: JSON) -> Any:  # noqa: ANN401 - as above
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = await http.post("graphql", json={"query": document, "variables": variables}, headers=headers)
    return _only(answer.json())


def _only(answer: JSON) -> Any:  # noqa: ANN401 - as above
    """The value of the only field that was asked for. Raises `Failed`."""
    if answer.get("errors"):
        raise Failed(answer["errors"][0]["message"])
    (value,) = answer["data"].values()
    return value


# ------------------------------------------------------------------------------------------ a person


class Person:
    """Somebody in a room with one other person."""

    def __init__(self, name: str, connection: Connection, cursor: str) -> None:
        self.name = name
        self.connection = connection
        self.device = Device()
        self._cursor = cursor

    @classmethod
    async def arrive(cls, http: httpx.AsyncClient, name: str) -> Self:
        """Signs in, and notes where their inbox stands: whatever happens from now on is told behind that cursor."""
        connection = await Connection.sign_in(http, name)
        snapshot = await (await connection.subscribe(SNAPSHOT)).next("MatchSnapshot")
        return cls(name, connection, snapshot["cursor"])

    async def enter(self, room: JSON) -> None:
        """Follows the messages and keys of the room that they have opened or joined."""
        self.room_id, self.me = room["id"], room["me"]["id"]
        self.messages = await self.connection.subscribe(MESSAGES, roomId=self.room_id, after=self._cursor)
        self.key_events = await self.connection.subscribe(KEY_EVENTS, roomId=self.room_id, after=self._cursor)

    async def publish(self, one_time_keys: int = 100) -> None:
        """Lets others begin an encrypted conversation, also while they are away."""
        await self.connection.run(PUBLISH_KEYS, **self.device.bundle(one_time_keys))

    async def others_keys(self, *, changed: bool = False) -> tuple[str, bytes]:
        """Waits until the other has published keys: their member ID and identity key."""
        event = await self.key_events.next("KeysPublished", identityChanged=changed)
        while event["member"]["id"] == self.me:
            event = await self.key_events.next("KeysPublished", identityChanged=changed)
        peer: str = event["member"]["id"]
        return peer, await self.identity_of(peer)

    async def identity_of(self, member_id: str) -> bytes:
        """The identity key that the server shows: whether it is theirs only the two people can tell."""
        bundles = await self.connection.query(KEYS, roomId=self.room_id)
        return next(b64decode(b["identityKey"]) for b in bundles if b["member"]["id"] == member_id)

    async def begin(self) -> None:
        """Takes one of the other's one-time keys and starts a session with it. A retry sends the same `requestId`."""
        claim = {"memberId": self.conversation.peer, "requestId": str(uuid.uuid4())}
        await self.conversation.start((await self.connection.run(CLAIM_KEYS, **claim))["bundle"])

    async def say(self, text: str) -> None:
        """Encrypts and sends. A retry sends the same ciphertext with the same `clientMessageId`, and is one message."""
        sealed = await self.conversation.encrypt(text)
        await self.connection.run(SEND_MESSAGE, roomId=self.room_id, clientMessageId=str(uuid.uuid4()), **sealed)

    async def hear(self) -> tuple[JSON, Opened]:
        """The other's next message, as the server gave it and as it was meant. Raises `end_to_end.Refused`."""
        message = await self._next_message()
        while message["sender"]["id"] == self.me:  # Ours, for our other tabs: nobody can decrypt what they sent.
            message = await self._next_message()
        return message, await self.conversation.decrypt(message)

    async def _next_message(self) -> JSON:
        return dict((await self.messages.next("MessageSent"))["edge"]["node"])

    def talk_to(self, peer: str, identity_key: bytes) -> None:
        """Begins a conversation with the member, whom they know by that key from now on."""
        self.conversation = Conversation(self.device, self.room_id, self.me, peer)
        self.conversation.accept(identity_key)


# ------------------------------------------------------------------------------------------ the story


async def main(url: str) -> None:
    """What two people do, from the first click to a new telephone."""
    async with httpx.AsyncClient(base_url=url, timeout=DEADLINE, trust_env=False) as http:
        ada, ben = await Person.arrive(http, "Ada"), await Person.arrive(http, "Ben")
        try:
            await tell(ada, ben)
        finally:
            await ada.connection.close()
            await ben.connection.close()


async def tell(ada: Person, ben: Person) -> None:
    """The story itself."""
    room = (await ada.connection.run(CREATE_ROOM, name="Encrypted"))["room"]
    await ada.enter(room)
    await ben.enter((await ben.connection.run(JOIN_ROOM, inviteCode=room["inviteCode"]))["room"])
    await ada.publish()
    await ben.publish(one_time_keys=10)
    print("Ada opens a room, Ben joins it, and both publish their keys.")

    ada.talk_to(*await ada.others_keys())
    ben.talk_to(*await ben.others_keys())
    print("Ada reads out to Ben:", ada.conversation.safety_number)
    print("Ben compares it with:", ben.conversation.safety_number)

    await ada.begin()
    await ada.say("Hello Ben, nobody else can read this.")
    message, opened = await ben.hear()
    print(f"The server stored {len(message['ciphertext'])} characters of base64. Ben reads: {opened.text}")
    print(
        f"Ben could report it: with the key {opened.opening_key.hex()} it opens the commitment that the server has tagged."
    )

    low = await ben.key_events.next("PreKeysLow")
    await ben.connection.run(ADD_KEYS, **ben.device.more_keys(100 - low["remaining"]))
    print(f"Ben is told that {low['remaining']} one-time keys are left, and uploads {100 - low['remaining']} new ones.")

    await ben.say("Hello Ada, I can. Grüße!")
    print("Ada reads:", (await ada.hear())[1].text)

    ben.device = Device()
    await ben.publish()
    _, identity_key = await ada.others_keys(changed=True)
    try:
        ada.conversation.check(identity_key)
    except IdentityChanged as warning:
        print(f"Ben has a new telephone. Ada is warned: {warning}.")
    ada.conversation.accept(identity_key)
    ben.talk_to(ada.me, await ben.identity_of(ada.me))
    print("They compare again:  ", ada.conversation.safety_number)
    await ada.begin()
    await ada.say("Nice telephone.")
    print("Ben reads:", (await ben.hear())[1].text)


if __name__ == "__main__":
    server = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
    try:
        asyncio.run(main(server))
    except httpx.ConnectError:
        sys.exit(f"No Parley server answers at {server}: start one with `make run` in another terminal.")

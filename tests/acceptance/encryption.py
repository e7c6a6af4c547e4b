"""People who talk encrypted: real accounts on a real server, with the cryptography of the example in docs/, not a second one."""

from __future__ import annotations

import importlib.util
import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.acceptance import documents
from tests.acceptance.server import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from tests.acceptance.client import JSON, Person, Subscription

EXAMPLES = ROOT / "docs" / "examples"


def imported(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


end_to_end = imported(EXAMPLES / "end_to_end.py")


@dataclass
class Party:
    """Somebody in a room, with a device. Conversations are kept by the other's member ID."""

    person: Person
    room_id: str
    me: str
    live: Subscription
    """The `messages` subscription, from before anything was said."""
    device: Any = field(default_factory=end_to_end.Device)
    conversations: dict[str, Any] = field(default_factory=dict)

    @classmethod
    async def of(cls, person: Person, room: JSON) -> Party:
        """The person in a room that they have just entered."""
        live = await person.follow(documents.MESSAGES_LIVE, room["id"], person.inbox.cursor)
        return cls(person, room["id"], room["me"]["id"], live)

    def toward(self, other: Party) -> Any:  # noqa: ANN401 - the example's Conversation
        """The conversation with the other."""
        if other.me not in self.conversations:
            self.conversations[other.me] = end_to_end.Conversation(self.device, self.room_id, self.me, other.me)
        return self.conversations[other.me]

    async def publish(self, one_time_keys: int = 20) -> JSON:
        """Publishes the device's keys: the payload."""
        payload = await self.person.publish_keys(self.device.bundle(one_time_keys))
        assert payload["__typename"] == "PublishKeysSuccess", payload
        return payload

    async def claim(self, other: Party) -> JSON:
        """Takes the other's bundle, and starts a session with it."""
        payload = await self.person.claim_keys(other.me, str(uuid.uuid4()))
        assert payload["__typename"] == "ClaimKeyBundleSuccess", payload
        await self.toward(other).start(payload["bundle"])
        return dict(payload["bundle"])

    async def send(self, sealed: JSON, client_message_id: str | None = None) -> JSON:
        """Sends what a conversation has encrypted: the message as the server answers it."""
        fields = {"roomId": self.room_id, "clientMessageId": client_message_id or str(uuid.uuid4()), **sealed}
        payload = await self.person.run(documents.SEND_MESSAGE, input=fields)
        assert payload["__typename"] == "SendMessageSuccess", payload
        return dict(payload["edge"]["node"])

    async def say(self, other: Party, text: str) -> JSON:
        """Encrypts for the other, and sends: the message as the server answers it."""
        return await self.send(await self.toward(other).encrypt(text))

    async def received(self, sender: Party, id: str | None = None) -> JSON:
        """The sender's next message, or that one, as the subscription tells it, still encrypted."""
        while True:
            message = (await self.live.until("MessageSent"))["edge"]["node"]
            if message["sender"]["id"] == sender.me and id in {None, message["id"]}:
                return dict(message)

    async def hear(self, sender: Party, id: str | None = None) -> str:
        """The text of the sender's next message, or of that one: in a larger room not every message is for everybody."""
        return str((await self.toward(sender).decrypt(await self.received(sender, id))).text)

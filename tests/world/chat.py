"""Messages: sent and read through the API, and looked at in the table."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from domain.chat import Draft, Message, send_message
from domain.events import MemberLeft, MemberUpdated
from domain.identity import Caller
from domain.ports import UnitOfWork
from domain.rooms.room import Member, MemberLeaveReason, MemberStatus, Room
from tests.encoding import base64
from tests.world.matching import seat
from tests.world.parts import START, Who, id_of
from tests.world.rooms import Rooms

EDGE = """cursor node { id sender { id status displayName } clientMessageId ciphertext commitment
  frankingTag { keyId ciphertextHash tag } sentAt }"""
SEND = f"""mutation($input: SendMessageInput!) {{ sendMessage(input: $input) {{ __typename
  ... on SendMessageSuccess {{ edge {{ {EDGE} }} }} ... on InvalidInputError {{ field }}
  ... on SuspendedError {{ suspension {{ id }} }} }} }}"""
PAGE = f"""query($room: ID!, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {{
  messages(roomId: $room, first: $first, after: $after, last: $last, before: $before) {{
    edges {{ {EDGE} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""


class Chat(Rooms):
    """What is said in rooms."""

    async def send(
        self, who: Caller, room: Room | str, said: object = "hello", *, client_id: str | None = None, **more: object
    ) -> dict[str, Any]:
        """What `sendMessage` answered."""
        content = {
            "roomId": room if isinstance(room, str) else str(room.id),
            "clientMessageId": str(uuid4()) if client_id is None else client_id,
            "ciphertext": base64(str(said).encode()),
        }
        result: dict[str, Any] = await self.answer(SEND, who, input=content | more)
        return result

    async def sent(
        self, who: Caller, room: Room, said: object = "hello", *, client_id: str | None = None, **more: object
    ) -> dict[str, Any]:
        """The edge of a message that was sent."""
        result = await self.send(who, room, said, client_id=client_id, **more)
        assert result["__typename"] == "SendMessageSuccess", result
        edge: dict[str, Any] = result["edge"]
        return edge

    async def say(self, who: Who, room_id: UUID) -> None:
        """Sends something sealed, past the API."""
        draft = Draft(str(uuid4()), b"sealed")
        await self.database.transact(
            lambda uow: send_message(uow, self.franking, id_of(who), room_id, draft, new_id=uuid4, clock=self.clock)
        )

    async def page(self, who: Caller, room: Room | str, **arguments: object) -> Any:  # noqa: ANN401  # null or a page
        """What `messages` answered."""
        return await self.answer(PAGE, who, room=room if isinstance(room, str) else str(room.id), **arguments)

    async def stored(self, room: Room) -> list[Message]:
        """What the table holds of the room."""
        return list(await self.database.read(lambda uow: uow.messages.after(room.id, 0, 10_000)))

    async def change(self, room: Room, who: Who, make: Callable[[Member], Member]) -> None:
        """Changes a seat under its lock, and tells everybody inside: as a moderator's action does."""

        async def work(uow: UnitOfWork) -> None:
            current = await uow.lock_room(room.id)
            assert current is not None
            changed = make(seat(current, who))
            await uow.rooms.save_member(changed)
            for member in current.inside:
                event = (
                    MemberUpdated(room.id, changed.id)
                    if changed.inside
                    else MemberLeft(room.id, changed.id, MemberLeaveReason.KICKED)
                )
                uow.append(member.user_id, event)

        await self.database.transact(work)


def gone(member: Member) -> Member:
    """The seat given up."""
    return replace(member, status=MemberStatus.LEFT, left_at=START)


def texts(connection: dict[str, Any]) -> list[str]:
    """What the messages of a page say: here the ciphertext is the text."""
    return [b64decode(edge["node"]["ciphertext"]).decode() for edge in connection["edges"]]

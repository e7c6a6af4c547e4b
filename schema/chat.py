"""Encrypted messages: sending them, and reading what a room has said."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain import chat, errors, franking
from domain.characters import LONGEST_CLIENT_ID
from domain.following import seat_in
from domain.rooms import room as rooms
from schema.context import Info
from schema.cursors import message_cursor, message_place
from schema.errors import InvalidInputError, MutedError, NotFoundError, SuspendedError, answers
from schema.ids import known_id
from schema.inputs import given
from schema.paging import PageInfo
from schema.rooms import Member
from schema.scalars import Base64, Cursor

KIB = chat.LONGEST_CIPHERTEXT // 1024
SIZES = f"1 to {chat.MOST_AT_ONCE}, by default {chat.USUAL_AT_ONCE}"


@strawberry.type(
    description=(
        "The server's word that a message was sent, by whom, where and when. Keep it with the message: a report hands it back."
    )
)
class FrankingTag:
    """See `domain.franking.FrankingTag`."""

    key_id: str = strawberry.field(description="Which of the server's keys made the tag.")
    ciphertext_hash: Base64 = strawberry.field(description="SHA-256 of the ciphertext, 32 bytes.")
    tag: Base64 = strawberry.field(
        description="HMAC-SHA256 over the message's ID, room, sender, time, commitment and `ciphertextHash`, 32 bytes."
    )

    @classmethod
    def of(cls, tag: franking.FrankingTag) -> FrankingTag:
        """The API's form of a tag."""
        return cls(key_id=tag.key_id, ciphertext_hash=Base64(tag.ciphertext_hash), tag=Base64(tag.tag))


@strawberry.type(description="An encrypted message. The server cannot read it: only devices in the room hold keys.")
class Message:
    """See `domain.chat.Message`."""

    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    sender: Member = strawberry.field(
        description="Who sent it, as they are now: a tombstone once they have left the room."
    )
    client_message_id: strawberry.ID = strawberry.field(
        description="As the sender chose it: shows a client which of its own messages this is."
    )
    ciphertext: Base64 = strawberry.field(description=f"What was sent, unchanged: 1 byte to {KIB} KiB.")
    commitment: Base64 | None = strawberry.field(
        description=(
            f"The sender's commitment to the plaintext, {franking.COMMITMENT_BYTES} bytes. Check that the decrypted message opens "
            "it, and show none that does not: only then a report of it can be proved. Null when the sender made none."
        )
    )
    franking_tag: FrankingTag | None = strawberry.field(
        description="The server's tag over the message and its commitment; null when the sender made none."
    )
    sent_at: datetime = strawberry.field(description="When the server took it, by the server's clock.")

    @classmethod
    def of(cls, message: chat.Message, sender: Member) -> Message:
        """The API's form of a message, with its sender as the viewer may see them."""
        return cls(
            id=strawberry.ID(str(message.id)),
            sender=sender,
            client_message_id=strawberry.ID(message.client_message_id),
            ciphertext=Base64(message.ciphertext),
            commitment=None if message.commitment is None else Base64(message.commitment),
            franking_tag=None if message.franking_tag is None else FrankingTag.of(message.franking_tag),
            sent_at=message.sent_at,
        )


@strawberry.type(description="A message at its place in the room.")
class MessageEdge:
    """The Relay specification's edge."""

    cursor: Cursor = strawberry.field(
        description=(
            "The place, the same for everybody and for ever. Goes into `after` and `before` of the query and into `after` of the "
            "subscription."
        )
    )
    node: Message = strawberry.field(description="The message.")

    @classmethod
    def of(cls, message: chat.Message, sender: Member) -> MessageEdge:
        """The message with its cursor."""
        return cls(cursor=message_cursor(message.room_id, message.seq), node=Message.of(message, sender))


@strawberry.type(description="Messages of a room next to each other, oldest first.")
class MessageConnection:
    """The Relay specification's connection."""

    edges: list[MessageEdge] = strawberry.field(
        description=(
            f"At most as many as were asked for, and together {chat.BYTES_AT_ONCE // 1024**2} MiB of ciphertext: `pageInfo` tells "
            "whether there are more."
        )
    )
    page_info: PageInfo = strawberry.field(description="Whether there are others before and behind.")

    @classmethod
    def of(cls, page: chat.Page, room: rooms.Room, viewer_id: UUID, now: datetime) -> MessageConnection:
        """A page of the room, as the viewer may see it."""
        senders = {m.id: Member.of(m, room, viewer_id, now) for m in room.members}
        edges = [MessageEdge.of(message, senders[message.sender_id]) for message in page.messages]
        return cls(
            edges=edges,
            page_info=PageInfo(
                has_next_page=page.more_after,
                has_previous_page=page.more_before,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=message_cursor(room.id, page.end),
            ),
        )


@strawberry.input(description="A message to everybody in a room, encrypted by the client.")
class SendMessageInput:
    room_id: strawberry.ID = strawberry.field(description="A room that the viewer is in.")
    client_message_id: strawberry.ID = strawberry.field(
        description=(
            "Makes a retry safe: a repeat in the same room returns the first message, and nobody is told again. 1 to "
            f"{LONGEST_CLIENT_ID} characters; a new random one for each message."
        )
    )
    ciphertext: Base64 = strawberry.field(
        description=f"1 byte to {KIB} KiB after decoding. The server cannot read it, and does not look."
    )
    commitment: Base64 | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            f"Exactly {franking.COMMITMENT_BYTES} bytes: the sender's commitment to the plaintext, so that receivers can prove in "
            "a report what was said."
        ),
    )

    def draft(self) -> chat.Draft:
        """The domain's form. Raises `InvalidInput`."""
        return chat.Draft(self.client_message_id, self.ciphertext, given(self.commitment))


@strawberry.type(description="The message is stored and on its way to everybody in the room.")
class SendMessageSuccess:
    edge: MessageEdge = strawberry.field(description="As all others see it; for a repeat, what was sent first.")


SendMessagePayload = Annotated[
    SendMessageSuccess | NotFoundError | MutedError | InvalidInputError | SuspendedError,
    strawberry.union("SendMessagePayload", description="What `sendMessage` answers."),
]


@strawberry.type
class ChatQuery:
    """`messages`."""

    @strawberry.field(
        description=(
            "What was said in a room that the viewer is in, oldest first; null for any other room. Give `first` (with `after`) to "
            f"read forward, `last` (with `before`) to read backward; without any, the last {chat.USUAL_AT_ONCE}. Other "
            "combinations, and a cursor of another kind or room, are BAD_USER_INPUT. Messages are kept for "
            f"{chat.MESSAGES_KEPT.days} days, and no longer than their room is open. More than 32 MiB of ciphertext at once and "
            "then 4 MiB a second are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    async def messages(  # noqa: PLR0917  # resolvers are called by name
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="The room.")],
        first: Annotated[
            int | None,
            strawberry.argument(description=f"How many behind `after`, or from the oldest on: {SIZES}."),
        ] = strawberry.UNSET,
        after: Annotated[
            Cursor | None, strawberry.argument(description="The cursor of the message to read on behind.")
        ] = strawberry.UNSET,
        last: Annotated[
            int | None,
            strawberry.argument(description=f"How many before `before`, or up to the newest: {SIZES}."),
        ] = strawberry.UNSET,
        before: Annotated[
            Cursor | None, strawberry.argument(description="The cursor of the message to read back from.")
        ] = strawberry.UNSET,
    ) -> MessageConnection | None:
        services, viewer = info.context.services, info.context.viewer
        try:
            known = known_id(room_id)
            places = _place(given(after), known), _place(given(before), known)
            with services.paging() as most:
                window = chat.window(given(first), places[0], given(last), places[1], most)
            await seat_in(services.directory, known, viewer.user_id)
            # As if it were full: those that are read at the same time must not each count on what is left.
            services.throttle.history(viewer.user_id, chat.BYTES_AT_ONCE)
            page = await services.read(lambda uow: chat.history(uow.messages, known, window))
            services.throttle.history(viewer.user_id, page.size - chat.BYTES_AT_ONCE)
            # Again, because the page may be newer than the look before it: somebody kicked meanwhile is shown nothing.
            room, seat = await seat_in(services.directory, known, viewer.user_id)
        except errors.NotFound:
            return None
        services.reached(seat.id)
        return MessageConnection.of(page, room, viewer.user_id, services.clock())


def _place(cursor: str | None, room_id: UUID) -> int | None:
    return None if cursor is None else message_place(cursor, room_id)


@strawberry.type
class ChatMutation:
    """`sendMessage`."""

    @strawberry.mutation(
        description=(
            "Sends an encrypted message to everybody in a room, the sender's other devices included. All of them see the messages "
            "of a room in one order. More than a burst of 256 and then 20 a second, or than 4 MiB and then 16 KiB a second, are "
            "refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.NotFound, errors.Muted, errors.InvalidInput, errors.Suspended)
    async def send_message(
        self, info: Info, input: Annotated[SendMessageInput, strawberry.argument(description="The message.")]
    ) -> SendMessagePayload:
        services, viewer = info.context.services, info.context.viewer
        room_id, draft = known_id(input.room_id), input.draft()
        services.throttle.message(viewer.user_id, len(draft.ciphertext))
        await seat_in(services.directory, room_id, viewer.user_id)
        # Writers of one room follow each other anyhow: here they wait without a connection, of which there are ten for everybody.
        async with services.one_by_one.turn(room_id):
            room, message = await services.transact(
                lambda uow: chat.send_message(
                    uow,
                    services.franking,
                    viewer.user_id,
                    room_id,
                    draft,
                    new_id=services.new_id,
                    clock=services.clock,
                )
            )
        sender = next(m for m in room.members if m.id == message.sender_id)
        services.reached(sender.id)
        return SendMessageSuccess(
            edge=MessageEdge.of(message, Member.of(sender, room, viewer.user_id, services.clock()))
        )

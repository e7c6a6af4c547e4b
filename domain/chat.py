"""Encrypted messages: opaque to the server, bounded, in one order per room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.characters import check_client_id
from domain.errors import BadInput, InvalidInput, Muted, PageTooLarge, Suspended
from domain.events import MessageSent, tell
from domain.franking import COMMITMENT_BYTES, tag_message
from domain.rooms.room import held_seat
from domain.safety.suspension import refuse_suspended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.franking import FrankingTag
    from domain.ports import Clock, FrankingKeys, Messages, UnitOfWork
    from domain.rooms.room import Member, Room

LONGEST_CIPHERTEXT: Final = 64 * 1024
"""Bytes. A text of a person has a few hundred; files do not belong in here."""
MESSAGES_KEPT: Final = timedelta(days=30)
"""For how long at most: those of a room that closes go with it."""
MOST_AT_ONCE: Final = 100
"""Messages in one page."""
USUAL_AT_ONCE: Final = 50
BYTES_AT_ONCE: Final = 1024 * 1024
"""Of ciphertext in one page: a hundred of the longest would be an answer of 9 MB. No message is longer, so a page holds one."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a member sent into a room. `seq` is its place there, from 1, without holes until old ones are deleted.

    `sender_id` is the sender's member ID; `commitment` is theirs, `franking_tag` the server's over it.
    """

    id: UUID
    room_id: UUID
    seq: int
    sender_id: UUID
    client_message_id: str
    ciphertext: bytes
    commitment: bytes | None
    franking_tag: FrankingTag | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to send. Raises `InvalidInput` for what no message may be."""

    client_message_id: str
    ciphertext: bytes
    commitment: bytes | None = None

    def __post_init__(self) -> None:
        check_client_id("clientMessageId", self.client_message_id)
        if not 0 < len(self.ciphertext) <= LONGEST_CIPHERTEXT:
            raise InvalidInput("ciphertext", f"1 byte to {LONGEST_CIPHERTEXT // 1024} KiB, after decoding.")
        if self.commitment is not None and len(self.commitment) != COMMITMENT_BYTES:
            raise InvalidInput("commitment", f"Exactly {COMMITMENT_BYTES} bytes, or none at all.")


@dataclass(frozen=True, slots=True)
class Window:
    """Which messages of a room to look at: the first `size` behind the place `after`, or the last `size` before `before`.

    For a `before` of None the newest. Exactly one of the two directions: `after` is None when looking backward.
    """

    size: int
    after: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Messages next to each other, oldest first, and whether there are others on either side.

    Behind the place `end` lies everything that comes after the page: whoever goes on there misses nothing.
    """

    messages: Sequence[Message]
    end: int
    more_before: bool
    more_after: bool

    @property
    def size(self) -> int:
        """Bytes of ciphertext."""
        return sum(len(message.ciphertext) for message in self.messages)


async def send_message(
    uow: UnitOfWork,
    keys: FrankingKeys,
    user_id: UUID,
    room_id: UUID,
    draft: Draft,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> tuple[Room, Message]:
    """Writes the message at the end of its room and tells everybody inside, the sender's other tabs too.

    A repeat of a client ID by the same member returns what was sent first, and tells nobody: also to somebody who was muted or
    suspended since, because it was sent. Raises `NotFound` for a room in which the user holds no seat, `Muted`, or `Suspended`
    (scope ALL). A message with a commitment gets the server's tag over both, made with `keys`.
    """
    room, seat = held_seat(await uow.lock_room(room_id, also=(user_id,)), user_id)
    now = clock()  # Not earlier: what waits longest for the lock would seem to be sent before what it comes after.
    try:
        await _refuse(uow, seat, now)
    except (Muted, Suspended):
        first = await uow.messages.sent(seat.id, draft.client_message_id)
        if first is None:
            raise
        return room, first
    wanted = _message(new_id(), seat, draft, keys, now)
    message = await uow.messages.add(wanted)
    if message.id == wanted.id:
        tell(uow, room.inside, MessageSent(room.id, message.id, message.seq))
    return room, message


def window(
    first: int | None, after: int | None, last: int | None, before: int | None, most: int = MOST_AT_ONCE
) -> Window:
    """What arguments of a connection ask for: `first` from the oldest on or behind `after`, `last` up to the newest or before
    `before`, 1 to `most` of them; a place alone means 50, and nothing at all the last 50. Places are `Message.seq`.

    Raises `PageTooLarge` for more, and `BadInput` for any other combination.
    """
    forward, backward = (first, after) != (None, None), (last, before) != (None, None)
    if forward and backward:
        raise BadInput("Give `first` with `after`, or `last` with `before`.")
    asked = first if forward else last
    size = USUAL_AT_ONCE if asked is None else asked
    if not 1 <= size <= most:
        raise (PageTooLarge if size > most else BadInput)(f"A page has 1 to {most} messages.")
    return Window(size, after=after or 0) if forward else Window(size, before=before)


async def history(messages: Messages, room_id: UUID, view: Window) -> Page:
    """A page of the room's messages: fewer than were asked for where those exceed `BYTES_AT_ONCE`, which `Page` then tells.

    Who may see it is for the caller to decide, after this returned: what is read may be newer than what was known before.
    """
    if view.after is not None:
        found = await messages.after(room_id, view.after, view.size)
    else:
        found = await messages.before(room_id, view.before, view.size)
    # An empty page that looked backward has nothing at all before it, so that to go on is to begin.
    end = found[-1].seq if found else view.after or 0
    # Later than the page, so that a message which comes in between is one more and never one that is overlooked.
    extent = await messages.extent(room_id)
    if extent is None:
        return Page(found, end, more_before=False, more_after=False)
    oldest, newest = extent
    if found:
        return Page(found, end, more_before=oldest < found[0].seq, more_after=newest > end)
    # There was nothing in the direction looked to: all that there is lies in the other one.
    if view.after is not None:
        return Page((), end, more_before=oldest <= view.after, more_after=False)
    return Page((), end, more_before=False, more_after=view.before is not None and newest >= view.before)


async def _refuse(uow: UnitOfWork, seat: Member, now: datetime) -> None:
    if seat.muted:
        raise Muted
    await refuse_suspended(uow, seat.user_id, now)


def _message(message_id: UUID, seat: Member, draft: Draft, keys: FrankingKeys, now: datetime) -> Message:
    """The message as it will be, but for its place in the room."""
    tag = (
        None
        if draft.commitment is None
        else tag_message(
            keys,
            message_id=message_id,
            room_id=seat.room_id,
            member_id=seat.id,
            sent_at=now,
            commitment=draft.commitment,
            ciphertext=draft.ciphertext,
        )
    )
    return Message(
        id=message_id,
        room_id=seat.room_id,
        seq=0,
        sender_id=seat.id,
        client_message_id=draft.client_message_id,
        ciphertext=draft.ciphertext,
        commitment=draft.commitment,
        franking_tag=tag,
        sent_at=now,
    )

"""Writing, and reading what is to be written: collections in a unit of work.

Lock, check in a later statement, write, append events; `Transact` commits. One lock order everywhere: room rows by ID, then head
rows by user ID, then the rest; a unit calls `lock_room` or `lock_rooms` at most once and before `lock_users`, so that no two units
can wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from domain.chat import Message
    from domain.events import Event
    from domain.identity import RefreshToken, Session, SessionScope, User
    from domain.keys.bundle import ClaimedBundle, KeyBundle, KeyCounts, OneTimeKeys, PreKey, SignedPreKey
    from domain.matchmaking.commit import NewMatch, PairFacts
    from domain.matchmaking.pool import PoolTicket
    from domain.matchmaking.ticket import QueueLeaveReason, Ticket
    from domain.ports.figures import Figures
    from domain.ports.privacy import Privacy
    from domain.ports.safety import Appeals, Audit, Blocks, Cases, Operators, Reports, Suspensions
    from domain.rooms.room import Invite, Member, Room

T = TypeVar("T")


class Users(Protocol):
    """Accounts."""

    async def add(self, user: User) -> None:
        """Creates the account and its head row."""

    async def get(self, user_id: UUID) -> User | None:
        """The account; None once it was deleted."""

    async def get_many(self, user_ids: Collection[UUID]) -> Mapping[UUID, User]:
        """Those that there are, by ID; deleted ones with an empty name, for as long as something refers to them."""

    async def device_of(self, user_id: UUID) -> UUID | None:
        """The device that the user signed in from. Of a deleted account for 25 hours, and while a case about it is undecided."""

    async def able(self, device_id: UUID, since: datetime) -> frozenset[UUID]:
        """Accounts of the device that are there, wait, hold a seat, or were given tokens since: all others can do nothing."""

    async def rename(self, user_id: UUID, display_name: str) -> User | None:
        """Returns the renamed user, None when there is none."""


class Devices(Protocol):
    """Devices, known by a keyed hash of the token that they were given."""

    async def find(self, token_hash: bytes) -> UUID | None:
        """The device of that token, locked as by `lock`."""

    async def add(self, device_id: UUID, token_hash: bytes, now: datetime) -> None: ...
    async def lock(self, device_id: UUID) -> None:
        """Lets nobody sign in or renew a session on it before the unit has ended, and waits for whoever is at that: one after
        the other, in their order. Before all rooms and heads.
        """


class Sessions(Protocol):
    """Sessions and their refresh tokens, known by hash."""

    async def add(self, session: Session) -> None: ...
    async def get(self, session_id: UUID) -> Session | None: ...
    async def user_of(self, token_hash: bytes) -> UUID | None:
        """Whose token it is; the device that they signed in from is locked, as by `Devices.lock`."""

    async def lock_by_token(self, token_hash: bytes) -> tuple[Session, RefreshToken] | None:
        """The token and its session, the session row locked: uses of one family's tokens follow each other."""

    async def add_token(self, token: RefreshToken) -> None: ...
    async def use_token(self, token_hash: bytes, now: datetime) -> None:
        """Marks its first use."""

    async def successors(self, token_hash: bytes) -> Sequence[RefreshToken]:
        """The tokens that were given for that one."""

    async def rescope(self, session_id: UUID, scope: SessionScope) -> None: ...

    async def revoke(self, session_id: UUID, now: datetime) -> None:
        """Ends the session: every refresh token of it is dead. Idempotent."""

    async def revoke_all(self, user_id: UUID, now: datetime) -> None:
        """Ends all sessions of the user. The user is locked."""

    async def live(self, user_id: UUID, now: datetime) -> int:
        """How many sessions of the user are neither revoked nor abandoned: one has a refresh token that is good at `now`."""


class Tickets(Protocol):
    """Places in the queue."""

    async def waiting(self, user_id: UUID) -> Ticket | None: ...
    async def waiting_of(self, user_ids: Collection[UUID]) -> Sequence[Ticket]:
        """All that wait of these users."""

    async def of_room(self, room_id: UUID, user_id: UUID) -> Ticket | None:
        """The ticket with which the user came into that match."""

    async def add(self, ticket: Ticket, now: datetime, *, attached: bool) -> None: ...
    async def save(self, ticket: Ticket) -> None:
        """Writes status, preferences, widening and room; the matcher sees the change."""

    async def pause(self, user_ids: Collection[UUID], *, paused: bool) -> None:
        """Sets whether the users' WAITING tickets are offered to partners; they keep their places."""

    async def changed_since(self, since: datetime | None) -> tuple[datetime, Sequence[PoolTicket], Sequence[UUID]]:
        """The time, and what was written at or after `since`: the tickets that wait, and the IDs of those that ended. For None
        all that wait.

        All times are the database's own, which stamps every change: one clock for all workers. A change is stamped when it is
        written and seen when it is committed, so ask for a while before the time of the last answer, which is that of the oldest
        transaction under way (up to a minute back).
        """

    async def unattended(self, now: datetime) -> Sequence[UUID]:
        """Users whose WAITING ticket is due to end: never attached within 30 s of joining, or past the resume window."""

    async def overdue(self, user_id: UUID, now: datetime) -> QueueLeaveReason | None:
        """Why the user's WAITING ticket is due to end: EXPIRED, CONNECTION_LOST, or None when it is not."""


class Bars(Protocol):
    """Pairs of users who shall not meet: cooldowns, lost partners and blocks, in both directions."""

    async def raise_bar(self, one: UUID, other: UUID, kind: str, until: datetime | None) -> None:
        """Sets or lengthens the bar of that kind; None is for ever."""

    async def lift_bar(self, one: UUID, other: UUID, kind: str, now: datetime) -> None:
        """Ends the bar of that kind; one that ended before, or is none, is left alone."""

    async def changed_since(
        self, since: datetime | None, users: Collection[UUID]
    ) -> Sequence[tuple[UUID, UUID, datetime | None]]:
        """The pair and the end of its longest bar (None is never), for pairs that touch one of `users` and, unless `since` is
        None, those written at or after it, by the time of `Tickets.changed_since`. A bar that was lifted or ran out has an
        end in the past.
        """


class Matching(Protocol):
    """The bulk reads and writes of the matcher's commit."""

    async def facts(self, pairs: Sequence[tuple[UUID, UUID]], now: datetime) -> Mapping[tuple[UUID, UUID], PairFacts]:
        """What decides each pair of tickets, as it is now. Call after the heads are locked, in a later statement."""

    async def open(self, matches: Sequence[NewMatch], now: datetime) -> None:
        """Writes rooms and members, and marks both tickets MATCHED, in bulk."""


class Rooms(Protocol):
    """Rooms with their members. Every write drops the room from the `Directory` when the unit commits."""

    async def get(self, room_id: UUID) -> Room | None: ...
    async def get_many(self, room_ids: Iterable[UUID]) -> Sequence[Room]:
        """Those that there are, in the order of their IDs."""

    async def room_of_member(self, member_id: UUID) -> Room | None:
        """The room of the member of that ID, inside or left."""

    async def open_match_of(self, user_id: UUID) -> Room | None:
        """The MATCH room in which the user holds a seat."""

    async def latest_match_of(self, user_id: UUID) -> Room | None:
        """The newest MATCH room in which the user has or had a seat."""

    async def held_by(self, user_id: UUID) -> Sequence[Room]:
        """Open rooms in which the user holds a seat, the newest first."""

    async def held_ids(self, user_id: UUID) -> frozenset[UUID]:
        """The IDs of those, without a look at who else is or was in them."""

    async def held_ids_of(self, user_ids: Collection[UUID]) -> frozenset[UUID]:
        """The IDs of open rooms in which any of these users holds a seat."""

    async def add(self, room: Room, invite_hash: bytes) -> None:
        """Opens an INVITE room with the members that it has."""

    async def by_invite(self, hashes: Collection[bytes]) -> Room | None:
        """The open room whose invite code has one of these digests."""

    async def count_seats(self, user_id: UUID) -> int:
        """In how many INVITE rooms the user holds a seat."""

    async def set_invite(self, room_id: UUID, invite: Invite, invite_hash: bytes) -> None:
        """Replaces the room's invite: the one before admits nobody any more. The room is locked."""

    async def add_member(self, member: Member) -> None:
        """Seats somebody who never was in the room. The room is locked."""

    async def save_member(self, member: Member) -> None:
        """Writes everything but whose seat it is, and where. The room is locked."""

    async def close(self, room_id: UUID, now: datetime) -> None:
        """Closes the room, takes every seat in it, and deletes its messages: nobody is inside afterwards."""

    async def mark_reached(self, member_ids: Collection[UUID], now: datetime) -> None:
        """The members were told of their match, or asked about it."""

    async def unreached(self, since: datetime) -> Sequence[UUID]:
        """Open MATCH rooms made before `since` of which a member inside was not reached."""

    async def reached(self, room_id: UUID) -> frozenset[UUID]:
        """IDs of the room's members that were reached."""

    async def typing_lapsed(self, now: datetime) -> Sequence[UUID]:
        """Rooms with a member whose typing ended before `now` and has not been cleared."""


class Messages(Protocol):
    """Encrypted messages. What is added can be had from the `Transcript` once the unit has committed."""

    async def add(self, message: Message) -> Message:
        """Writes the message at the end of its room, and returns it with its `seq`. If the sender has sent something under the same
        client ID before, that is returned, and nothing written. The room is locked.
        """

    async def sent(self, sender_id: UUID, client_message_id: str) -> Message | None:
        """What the member sent under that ID, for as long as it is retained."""

    async def end(self, room_id: UUID) -> int:
        """The `seq` of the newest message that the room ever had; 0 before the first."""

    async def extent(self, room_id: UUID) -> tuple[int, int] | None:
        """The `seq` of the oldest and of the newest message that are retained; None when there is none."""

    async def after(self, room_id: UUID, seq: int, limit: int, size: int = ...) -> Sequence[Message]:
        """The first of those behind `seq`, oldest first: so many at most that their ciphertexts have no more than `size` bytes
        together, by default `chat.BYTES_AT_ONCE`. With a `size` of at least the longest ciphertext nothing is nothing left.
        """

    async def before(self, room_id: UUID, seq: int | None, limit: int, size: int = ...) -> Sequence[Message]:
        """The last of those before `seq`, or of all for None; oldest first, and as many as of `after`."""


class KeyBundles(Protocol):
    """Public keys of users. Every write needs the user's head locked."""

    async def of(self, user_ids: Collection[UUID]) -> Mapping[UUID, KeyBundle]:
        """The bundles of those who published one, by user."""

    async def replace(self, bundle: KeyBundle, keys: OneTimeKeys) -> None:
        """Puts the bundle in the place of the user's last one, and the keys in the place of all that are left of it."""

    async def add(self, user_id: UUID, keys: OneTimeKeys) -> None:
        """Adds keys to a bundle that there is, under IDs that are free."""

    async def held(self, user_id: UUID) -> OneTimeKeys:
        """The keys that are left, by ID."""

    async def counts(self, user_id: UUID) -> KeyCounts:
        """How many are left; none without a bundle."""

    async def handed_out(self, user_id: UUID, keys: Collection[bytes]) -> frozenset[bytes]:
        """Which of these the user's claimers were given within `CLAIMS_KEPT`, in this bundle or in one before."""

    async def spent_ids(self, bundle: KeyBundle) -> tuple[frozenset[int], frozenset[int]]:
        """The IDs under which one-time keys of that very bundle were handed out within `CLAIMS_KEPT`: Curve25519, and KEM."""

    async def take_pre_key(self, user_id: UUID) -> PreKey | None:
        """Takes the Curve25519 key with the lowest ID for good; None when there is none left. Nobody is given the same."""

    async def take_kem_key(self, user_id: UUID) -> SignedPreKey | None:
        """The same of the KEM keys."""

    async def claimed(self, claimer_id: UUID, member_id: UUID, request_id: str) -> ClaimedBundle | None:
        """What the claimer was given for that request, for at least `CLAIMS_KEPT`."""

    async def note_claim(
        self, claimer_id: UUID, member_id: UUID, request_id: str, claimed: ClaimedBundle, now: datetime
    ) -> None:
        """Keeps what the claimer is given. Both heads are locked."""


class Connections(Protocol):
    """Sockets of users, a row each, with the worker that holds them."""

    async def attach(self, connections: Mapping[UUID, UUID], now: datetime) -> Collection[UUID]:
        """Adds rows, user by connection; returns those users who were detached before. Call with their heads locked.

        Raises `presence.Reaped` when this worker is not registered any more.
        """

    async def detach(self, connection_id: UUID, user_id: UUID, now: datetime, hold_until: datetime) -> bool:
        """Deletes that row alone; returns whether it was the last and the user is detached since. Call with the head locked."""

    async def attached(self, user_id: UUID) -> bool: ...
    async def away(self, before: datetime) -> Sequence[UUID]:
        """Users detached before that time who hold a seat that is still ONLINE."""

    async def lost(self, now: datetime) -> Sequence[UUID]:
        """Users detached whose hold ended, and who hold a seat."""

    async def hold(self, user_id: UUID) -> tuple[datetime, datetime] | None:
        """When the user was detached and until when seats are held; None while attached."""

    async def keep(self, user_id: UUID, now: datetime, hold_until: datetime) -> None:
        """Holds what a detached user holds until then at least: they took a seat without having opened a connection. Does
        nothing for somebody attached. Call with the head locked.
        """

    async def settle(self, now: datetime) -> None:
        """Forgets the holds that ended with nothing held any more, so that looking for lost users stays cheap."""

    async def prolong_holds(self, hold_until: datetime) -> None:
        """Whatever is held for anybody detached is held until then at least."""

    async def shown_away(self, user_ids: Collection[UUID]) -> Sequence[UUID]:
        """Those of the users who are attached and hold a seat that is AWAY."""

    async def begin_sweep(self) -> tuple[datetime, timedelta | None]:
        """The database's time, and how long before it the last sweep of any worker began that succeeded; None before the first."""

    async def end_sweep(self, began: datetime) -> None:
        """The sweep that began at that time of the database's succeeded. Call outside of a transaction: this writes the leader's
        lease, and a process that stood still with that row locked would keep everybody from leading.
        """

    async def other_workers(self, *, dead: bool) -> Sequence[UUID]:
        """All workers but this one, or those only whose lease has ended."""

    async def condemn(self, worker: UUID, *, dead: bool) -> None:
        """Begins to reap the worker, if its lease has ended or it is known to be `dead`: renewing its lease fails from now on, and
        it has to register again.
        """

    async def condemned(self, worker: UUID) -> bool:
        """Whether the worker is being reaped; it stays so until the unit has ended."""

    async def held_by(self, worker: UUID, limit: int) -> Sequence[UUID]:
        """The first users of whom the worker holds a connection, in the order of their IDs."""

    async def release(
        self, worker: UUID, user_ids: Collection[UUID], now: datetime, hold_until: datetime
    ) -> Collection[UUID]:
        """Deletes the worker's connections of these users, and returns those who have no other: they are detached from now on, and
        count as reached in their match. Call with their heads locked.
        """

    async def bury(self, worker: UUID) -> bool:
        """Deletes a condemned worker that holds nothing any more; returns whether it did."""


class UnitOfWork(Protocol):
    """One transaction, with what happened in it."""

    users: Users
    devices: Devices
    sessions: Sessions
    tickets: Tickets
    bars: Bars
    matching: Matching
    rooms: Rooms
    messages: Messages
    keys: KeyBundles
    suspensions: Suspensions
    blocks: Blocks
    reports: Reports
    cases: Cases
    appeals: Appeals
    audit: Audit
    operators: Operators
    privacy: Privacy
    figures: Figures
    connections: Connections

    async def lock_users(self, user_ids: Iterable[UUID]) -> None:
        """Locks the users' heads in the order of their IDs. Everything checked afterwards is as it is now."""

    async def lock_room(self, room_id: UUID, also: Iterable[UUID] = ()) -> Room | None:
        """Locks the room, then the heads of its members and of `also`; returns the room as it is under the locks."""

    async def lock_rooms(self, room_ids: Iterable[UUID], also: Iterable[UUID] = ()) -> Sequence[Room]:
        """The same for several rooms at once."""

    def append(self, user_id: UUID, event: Event) -> None:
        """Puts the event into the user's inbox when the unit commits, behind what was appended before. The user is locked."""

    def raise_control(self, user_id: UUID) -> None:
        """Makes the user's live sockets re-check what they may do, once the unit has committed. The user is locked."""


class Transact(Protocol):
    """Runs `work` in a unit of work and commits it: when this returns its events are in the inboxes, and readers are being told.

    Deadlocks and serialization failures are retried three times with a fresh unit. The work goes on when the caller is cancelled:
    a client that hangs up does not leave a commit of unknown outcome. Raises `Unavailable` when the database does not answer.
    """

    async def __call__(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T: ...

"""The people in a test: their accounts, sessions, suspensions and sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import pytest

from api.graphql_ws.socket import GraphQLSocket
from domain import presence
from domain.errors import NotAllowed
from domain.identity import Caller, Grant, Session, SessionScope, SignedIn, User, refresh_session, sign_in_anonymously
from domain.ports import UnitOfWork
from domain.safety.suspension import Suspension, SuspensionScope
from persistence.suspensions import SuspensionRepository
from tests.waiting import until
from tests.world.parts import NETWORK, RESUME, Parts, Who, id_of


@dataclass(eq=False)
class FakeSocket:
    """What presence knows of a socket."""

    id: UUID = field(default_factory=uuid4)
    codes: list[int] = field(default_factory=list)
    patient: list[bool] = field(default_factory=list)
    """Whether its streams were let tell the rest, by closing."""

    def close(self, code: int, reason: str) -> None:
        """Remembers with which code it was closed."""
        self.codes.append(code)
        self.patient.append(False)

    def close_after_streams(self, code: int, reason: str) -> None:
        """The same, behind what its streams tell."""
        self.codes.append(code)
        self.patient.append(True)


class People(Parts):
    """Who is there. `user` is the short way to an account, `sign_in` is the one that people take."""

    async def user(self, name: str = "Ada") -> Caller:
        """A new account, signed in."""
        user = User(uuid4(), name, self.clock(), None, None)
        session = Session(uuid4(), user.id, SessionScope.FULL, self.clock(), None)

        async def work(uow: UnitOfWork) -> None:
            await uow.users.add(user)
            await uow.sessions.add(session)

        await self.database.transact(work)
        return Caller(user.id, session.id, session.scope, self.clock() + timedelta(hours=1))

    async def person(self, name: str = "Ada", *, attached: bool = True) -> UUID:
        """The ID of a new account that has a connection, or none."""
        user_id = (await self.user(name)).user_id
        if attached:
            await self.attach(user_id)
        return user_id

    async def people(self, count: int) -> list[UUID]:
        """So many, all attached."""
        return [await self.person(f"Person {number}") for number in range(count)]

    async def sign_in(self, name: str = "Ada", device_token: str | None = None, network: str = NETWORK) -> SignedIn:
        """A new account, as signing in makes it."""
        return await sign_in_anonymously(
            self.database.transact,
            self.limits,
            self.secrets,
            uuid4,
            name=name,
            device_token=device_token,
            network=network,
            now=self.clock(),
        )

    async def refresh(self, refresh_token: str) -> Grant:
        """The next tokens of a session."""
        return await refresh_session(
            self.database.transact,
            self.throttle,
            self.secrets,
            refresh_token=refresh_token,
            network=NETWORK,
            now=self.clock(),
        )

    def bearer(self, grant: Grant) -> str:
        """An `Authorization` value with a new access token."""
        return f"Bearer {self.tokens.issue(grant.session, self.clock())[0]}"

    def caller(self, grant: Grant) -> Caller:
        """Who the grant's access token names."""
        return self.tokens.verify(self.tokens.issue(grant.session, self.clock())[0], self.clock())

    async def revoked(self, grant: Grant, *tokens: str) -> bool:
        """Whether the whole family is gone: every token, the session, and its sockets were told to look."""
        for token in tokens:
            with pytest.raises(NotAllowed):
                await self.refresh(token)
        told = self.inbox.control_version(grant.user.id) > 0
        return told and await self.admission.standing(self.caller(grant)) is None

    async def suspend(
        self,
        who: Who,
        scope: SuspensionScope = SuspensionScope.ALL,
        *,
        device_id: UUID | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        lifted_at: datetime | None = None,
    ) -> Suspension:
        """Suspends the user, and with `device_id` the device, by default from now on and for good."""
        user_id, starts_at = id_of(who), starts_at or self.clock()
        suspension = Suspension(uuid4(), user_id, scope, "Be kind.", None, False, starts_at, ends_at, lifted_at)  # noqa: FBT003

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users((user_id,))
            assert isinstance(uow.suspensions, SuspensionRepository)
            await uow.suspensions.add(suspension, device_id)
            uow.raise_control(user_id)

        await self.database.transact(work)
        return suspension

    # --- sockets ------------------------------------------------------------------------------------------------------------

    async def connect(self, caller: Caller) -> FakeSocket:
        """Opens a socket."""
        socket = FakeSocket()
        await self.presence.opened(caller, cast("GraphQLSocket", socket))
        return socket

    async def drop(self, *sockets: FakeSocket) -> None:
        """Closes sockets, and waits until the database knows."""
        for socket in sockets:
            await self.presence.closed(cast("GraphQLSocket", socket))
        await until(lambda: self.presence.leaving == 0)

    async def attached(self, who: Who) -> bool:
        """Whether the user has a connection."""
        return await self.database.read(lambda uow: uow.connections.attached(id_of(who)))

    async def attach(self, who: Who) -> None:
        """Adds the user's one connection without a socket, in one unit of work that may be repeated."""
        user_id = id_of(who)
        connection = self.connections.setdefault(user_id, uuid4())
        await self.database.transact(lambda uow: presence.attach(uow, connection, user_id, now=self.clock()))

    async def detach(self, who: Who) -> None:
        """Takes it away."""
        user_id = id_of(who)
        connection = self.connections.pop(user_id, None)
        if connection is not None:
            await self.database.transact(
                lambda uow: presence.detach(uow, connection, user_id, resume=RESUME, now=self.clock())
            )

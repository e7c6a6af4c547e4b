"""What `python -m api operator` does: operators are made, changed and removed beside the server, or while there is none.

Nothing here tells a server anything: workers that share the inbox in PostgreSQL compare control versions once a second, and one
with its inbox in memory asks for those of operators (`persistence.operators.OperatorWatch`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from api import migrations
from api.clock import utc_now
from api.databases import database_beside
from api.reach import database_reached
from api.refusal import Refusal, Unreachable
from api.tokens import KeyedDigests, load_secrets
from domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from domain.safety import operators
from persistence.bus import open_bus
from persistence.database import Database
from persistence.directory import CachedRooms
from persistence.hub import Hub
from persistence.inbox.postgres import PostgresInbox
from persistence.transcript import RecentMessages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from api.databases import Source
    from api.settings import Settings
    from domain.identity import OperatorRole, User
    from domain.safety.operators import Operator

T = TypeVar("T")

CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with."""

    database: Database
    secrets: KeyedDigests


def add(settings: Settings, name: str, role: OperatorRole) -> tuple[User, str]:
    """A new operator, and the token that signs them in. Raises `Refusal`."""
    return _run(
        settings,
        lambda desk: desk.database.transact(
            lambda uow: operators.add_operator(uow, desk.secrets, uuid4, name=name, role=role, now=utc_now())
        ),
    )


def listed(settings: Settings) -> Sequence[Operator]:
    """All operators, the oldest account first. Raises `Refusal`."""
    return _run(settings, lambda desk: desk.database.read(lambda uow: uow.operators.listed()))


def renew_token(settings: Settings, user_id: UUID) -> str:
    """A new token of that operator. Raises `Refusal`."""
    return _run(
        settings,
        lambda desk: desk.database.transact(
            lambda uow: operators.renew_token(uow, desk.secrets, uuid4, user_id, now=utc_now())
        ),
    )


def change_role(settings: Settings, user_id: UUID, role: OperatorRole) -> User:
    """The operator with another role. Raises `Refusal`."""
    return _run(
        settings,
        lambda desk: desk.database.transact(
            lambda uow: operators.change_role(uow, uuid4, user_id, role, now=utc_now())
        ),
    )


def remove(settings: Settings, user_id: UUID) -> tuple[User, int]:
    """Who is no operator any more, and how many cases they had claimed. Raises `Refusal`."""
    return _run(settings, lambda desk: operators.remove_operator(desk.database.transact, uuid4, user_id, now=utc_now()))


def _run(settings: Settings, work: Callable[[Desk], Awaitable[T]]) -> T:
    try:
        roots = load_secrets(settings.secrets, settings.data_dir, production=settings.production)
    except ValueError as error:
        raise Refusal(str(error)) from error
    with database_beside(settings) as source:
        return asyncio.run(_worked(settings, source, KeyedDigests(roots), work))


async def _worked(settings: Settings, source: Source, secrets: KeyedDigests, work: Callable[[Desk], Awaitable[T]]) -> T:
    await database_reached(migrations.migrated(source.direct, ours=settings.database_url is None))
    worker, rooms = uuid4(), CachedRooms()
    inbox = PostgresInbox(Hub(open_bus("memory://"), worker), forget_rooms=rooms.drop)
    database = Database(
        source.dsn,
        outbox=inbox,
        cache=rooms,
        messages=RecentMessages(),
        worker=worker,
        clock=utc_now,
        pool_size=CONNECTIONS,
    )
    try:
        await inbox.open(database.reading)
        return await work(Desk(database, secrets))
    except (NotFound, InvalidInput, Conflict) as error:
        raise Refusal(str(error)) from error
    except Unavailable as error:
        msg = "The database went away meanwhile: look with `operator list` what was done, and try again."
        raise Unreachable(msg) from error
    finally:
        await database.close()

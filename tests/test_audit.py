"""The audit log: who sees it, and that nobody changes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection

from api import migrations
from domain.errors import BadInput
from domain.identity import Caller, OperatorRole
from domain.paging import Place
from domain.safety import audit
from domain.safety.audit import Action
from schema.cursors import BLOCK, place_cursor
from tests.world import START, World, open_world

LOG = """query($first: Int! = 50, $after: Cursor) { auditLog(first: $first, after: $after) {
  edges { cursor node { id at action target details actor { id displayName } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
FORBIDDEN = (
    "UPDATE audit_entry SET details = 'none'",
    "UPDATE audit_entry SET details = 'none' WHERE false",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry",
    "TRUNCATE audit_entry CASCADE",
    "TRUNCATE account, audit_entry CASCADE",
    "WITH gone AS (DELETE FROM audit_entry RETURNING id) SELECT count(*) FROM gone",
    "INSERT INTO audit_entry SELECT * FROM audit_entry ON CONFLICT (id) DO UPDATE SET details = 'none'",
    "MERGE INTO audit_entry e USING account a ON e.actor_id = a.id WHEN MATCHED THEN DELETE",
)


async def write(world: World, *entries: tuple[int, Action], actor_id: UUID | None = None) -> None:
    """Entries, so many minutes after the start each."""
    for minutes, action in entries:
        at = START + timedelta(minutes=minutes)
        await world.database.transact(
            lambda uow, at=at, action=action: audit.record(  # type: ignore[misc]  # bound now
                uow, uuid4(), action, at=at, actor_id=actor_id, target="case:1", details="hours=1"
            )
        )


async def page(world: World, admin: Caller, **asked: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The entries, and what is said of the page."""
    answer = await world.answer(LOG, admin, **asked)
    return [edge["node"] for edge in answer["edges"]], answer["pageInfo"]


async def test_an_admin_reads_the_log_from_the_newest_entry_on(database_url: str) -> None:
    """Page by page, none twice and none missing, also when several were written in the same millisecond."""
    async with open_world(database_url) as world:
        admin = await world.operator(OperatorRole.ADMIN, "Ada")
        await write(world, *((minutes, Action.CASE_CLAIMED) for minutes in (1, 2, 2, 2, 3)), actor_id=admin.user_id)
        whole, about = await page(world, admin)
        assert (about["hasNextPage"], about["hasPreviousPage"]) == (False, False)
        assert [entry["at"] for entry in whole] == sorted((entry["at"] for entry in whole), reverse=True)
        assert whole[0] == {
            "id": whole[0]["id"],
            "at": "2026-11-21T09:33:00.000Z",
            "action": "CASE_CLAIMED",
            "target": "case:1",
            "details": "hours=1",
            "actor": {"id": str(admin.user_id), "displayName": "Ada"},
        }
        by_pages: list[dict[str, Any]] = []
        after = None
        for more in (True, True, True, False):
            entries, about = await page(world, admin, first=2, after=after)
            assert (about["hasNextPage"], about["hasPreviousPage"]) == (more, after is not None)
            by_pages += entries
            after = about["endCursor"]
        assert by_pages == whole


async def test_what_no_operator_did_has_no_actor(database_url: str) -> None:
    """Neither has what somebody did whose account is gone: the entry stays."""
    async with open_world(database_url) as world:
        admin = await world.operator(OperatorRole.ADMIN)
        await write(world, (1, Action.USER_HELD))
        await write(world, (2, Action.CASE_DECIDED), actor_id=uuid4())
        entries, _ = await page(world, admin)
        shown = {entry["action"]: entry["actor"] for entry in entries}
        assert shown["USER_HELD"] is shown["CASE_DECIDED"] is shown["OPERATOR_ADDED"] is None
        assert shown["OPERATOR_SIGNED_IN"] == {"id": str(admin.user_id), "displayName": "Olive"}


async def test_a_page_that_cannot_be_meant_is_refused(database_url: str) -> None:
    """As everywhere: pages have 1 to 100 edges, and a cursor is of the connection that it came from."""
    foreign = place_cursor(BLOCK, Place(0, START, uuid4()))
    async with open_world(database_url) as world:
        admin = await world.operator(OperatorRole.ADMIN)
        for asked in (
            {"first": 0},
            {"first": -1},
            {"first": 101},
            {"after": "x"},
            {"after": "aaaa"},
            {"after": foreign},
        ):
            with pytest.raises(BadInput):
                await page(world, admin, **asked)


async def test_the_database_refuses_every_change_of_an_entry(database_url: str) -> None:
    """As the very role that the server uses, which owns the table: not this program's manners keep the log, the database does."""
    async with open_world(database_url) as world:
        await world.operator(OperatorRole.ADMIN)
        async with world.database.reading() as used:
            server = (await used.exec_driver_sql("SELECT current_user")).scalar_one()
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT current_user") == server
        before = await connection.fetch("SELECT * FROM audit_entry ORDER BY id")
        assert len(before) == 2
        for role in ("origin", "replica"):
            await connection.execute(f"SET session_replication_role = {role}")
            for statement in FORBIDDEN:
                with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                    await connection.execute(statement)
        await connection.execute("SET session_replication_role = origin")
        # What may be emptied takes nothing of the log along: it refers to nothing.
        await connection.execute("TRUNCATE account CASCADE")
        assert await connection.fetchval("SELECT count(*) FROM account") == 0
        assert await connection.fetch("SELECT * FROM audit_entry ORDER BY id") == before
    finally:
        await connection.close()


async def test_nothing_refers_to_the_log_and_it_refers_to_nothing(database_url: str) -> None:
    """A foreign key either way would make a deletion elsewhere fail, or reach into the log."""
    connection = await asyncpg.connect(database_url)
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND 'audit_entry'::regclass IN (conrelid, confrelid)"
    assert await connection.fetchval(keys) == 0
    await connection.close()


async def test_the_migration_goes_down_and_up_again(database_url: str) -> None:
    """Whoever has to go back can, and comes forward to a log that is kept as before."""

    def down(_: Connection, config: Any) -> None:  # noqa: ANN401  # Alembic's, without types
        command.downgrade(config, "0003")

    await migrations._run(database_url, down)
    assert await migrations.standing(database_url) is migrations.Standing.BEHIND
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT to_regclass('audit_entry')") is None
    assert await connection.fetchval("SELECT count(*) FROM pg_proc WHERE proname = 'refuse_change'") == 0
    assert await migrations.upgrade(database_url) is migrations.Standing.BEHIND
    await migrations.check(database_url)
    await connection.execute("INSERT INTO audit_entry (id, at, action) VALUES (gen_random_uuid(), now(), 'X')")
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute("DELETE FROM audit_entry")
    await connection.close()

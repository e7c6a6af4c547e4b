"""Migrations against a real database: up, at once, ahead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from api import migrations
from api.migrations import Standing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from persistence.embedded import EmbeddedPostgres

NAME = "parley_migrations"


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a database without a table."""
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    await admin.execute(f"CREATE DATABASE {NAME}")
    yield postgres.dsn(NAME)
    await admin.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    await admin.close()


async def test_an_empty_database_is_brought_up_and_agrees_with_the_models(empty: str) -> None:
    """The tables that the code believes in are the tables that there are."""
    assert await migrations.standing(empty) is Standing.EMPTY
    assert await migrations.upgrade(empty) is Standing.EMPTY
    assert await migrations.standing(empty) is Standing.CURRENT
    assert await migrations.upgrade(empty) is Standing.CURRENT
    await migrations.check(empty)


async def test_servers_that_start_at_once_migrate_once(empty: str) -> None:
    """Two processes that come up together do not create the same table twice."""
    before = await asyncio.gather(*(migrations.upgrade(empty) for _ in range(4)))
    assert sorted(standing.name for standing in before) == ["CURRENT", "CURRENT", "CURRENT", "EMPTY"]


async def test_a_newer_database_is_left_as_it_is(database_url: str) -> None:
    """While a new release rolls out, the old one still runs, on tables that are ahead of it."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert await migrations.standing(database_url) is Standing.AHEAD
    assert await migrations.upgrade(database_url) is Standing.AHEAD
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "9999"
    await connection.close()

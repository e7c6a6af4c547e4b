"""Connections of the pool."""

from __future__ import annotations

from typing import Any

import pytest

from persistence.driver import connector


async def test_a_new_connection_is_not_taught_types_while_somebody_waits(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart of PostgreSQL all connections are new, and a transaction that asks about types holds its locks meanwhile."""
    connect = connector(database_url, patience=20)
    connection = await connect()
    asked: list[tuple[int, ...]] = []
    introspect = type(connection)._introspect_types  # type: ignore[attr-defined]  # asyncpg's own

    async def noticed(self: Any, oids: tuple[int, ...], timeout: float) -> Any:  # noqa: ANN401  # as asyncpg has it
        asked.append(oids)
        return await introspect(self, oids, timeout)

    monkeypatch.setattr(type(connection), "_introspect_types", noticed)
    arrays = ("uuid", "bigint", "smallint", "integer", "text", "varchar", "bytea", "boolean", "timestamptz", "float8")
    question = ", ".join(f"${number}::{name}[]" for number, name in enumerate(arrays, 1))
    for each in (connection, await connect()):
        assert await each.fetchrow(f"SELECT {question}", *([] for _ in arrays))
        await each.close()
    assert asked == []

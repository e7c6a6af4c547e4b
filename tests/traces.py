"""Where in the database something stands: every column of every table is looked at, whatever its type."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from persistence.database import Database

TABLES = text("""
    SELECT string_agg(format('SELECT %L AS name, to_jsonb(t)::text AS held FROM %I AS t', table_name, table_name), ' UNION ALL ')
    FROM information_schema.tables JOIN pg_class ON relname = table_name
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND NOT relispartition
""")
"""A statement that reads all rows of all tables, those of partitions by the table that they are of."""


async def traces(database: Database, *needles: str | UUID) -> dict[str, set[str]]:
    """Per needle that is found anywhere, the columns in which it is, as `table.column`: as text, in arrays, and in bytes, as they
    are or in base64.
    """
    spelled = {str(needle): _spellings(str(needle)) for needle in needles}
    found: dict[str, set[str]] = {}
    async with database.reading() as connection:
        rows = (await connection.execute(text(await connection.scalar(TABLES) or ""))).all()
    for table, held in rows:
        for needle, spellings in spelled.items():
            if any(spelling in held for spelling in spellings):
                columns = [
                    f"{table}.{column}"
                    for column, value in json.loads(held).items()
                    if any(spelling in json.dumps(value) for spelling in spellings)
                ]
                if columns:  # Else it is a column that is called so.
                    found.setdefault(needle, set()).update(columns)
    return found


def _spellings(needle: str) -> tuple[str, ...]:
    """As it is, as PostgreSQL shows it in bytes, and the beginning of it in base64."""
    encoded = needle.encode()
    return needle, encoded.hex(), b64encode(encoded).decode().rstrip("=")[:-1]

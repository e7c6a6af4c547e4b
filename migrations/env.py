"""Alembic's entry: it runs on the connection that `api.migrations` gives it: one way to reach the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from alembic import context
from sqlmodel import AutoString

from persistence.base import Timestamp
from persistence.inbox.ring import RINGS
from persistence.tables import metadata

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


def rendered(kind: str, thing: object, _: AutogenContext) -> str | Literal[False]:
    """Writes our own column types as the plain ones that they are, so that a migration depends on no code of today."""
    if kind == "type" and isinstance(thing, Timestamp):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(thing, AutoString):
        return "sa.String()"
    return False


PARTITIONS = {name for ring in RINGS for name in ring.names}


def included(name: str | None, kind: str, _: object) -> bool:
    """Leaves the partitions of rings out: models know the whole tables."""
    return kind != "table" or name not in PARTITIONS


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
    render_item=rendered,
    include_name=included,
)
with context.begin_transaction():
    context.run_migrations()

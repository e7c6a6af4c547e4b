"""What all tables share: names of constraints, and the column types that SQLModel has no name for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, DateTime, MetaData
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


UUIDS = ARRAY(UUID(as_uuid=True))
"""`uuid[]`, for columns and for parameters."""


class Row(SQLModel):
    """Base of all tables. Rows are not the domain: repositories map them, because `table=True` classes do not validate."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Timestamp(TypeDecorator[datetime]):
    """`timestamptz`: SQLModel by itself would make a column without a time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

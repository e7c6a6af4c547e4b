"""Workers and the connections that they hold, in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from persistence.base import Row, Timestamp


class WorkerRow(Row, table=True):
    """One run of one serving process; what it holds is gone when its lease has ended."""

    __tablename__ = "worker"

    incarnation: UUID = Field(primary_key=True)
    started_at: datetime = Field(sa_type=Timestamp)
    lease_until: datetime = Field(sa_type=Timestamp)


class ConnectionRow(Row, table=True):
    """A socket or event stream of a user. A user is attached while there is one."""

    __tablename__ = "connection"

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id", index=True)
    worker: UUID = Field(foreign_key="worker.incarnation", index=True)
    connected_at: datetime = Field(sa_type=Timestamp)

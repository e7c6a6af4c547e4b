"""Rate limits that hold across workers: GCRA in one statement on PostgreSQL."""

from datetime import datetime

from sqlmodel import Field

from persistence.base import Row, Timestamp


class RateLimitRow(Row, table=True):
    """One limited thing. `full_at` is GCRA's theoretical arrival time: when the whole burst is available again."""

    __tablename__ = "rate_limit"

    key: str = Field(primary_key=True)
    full_at: datetime = Field(sa_type=Timestamp, index=True)

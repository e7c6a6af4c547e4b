"""Going on with a list behind a `Place`, in SQL: by comparing rows, which an index on the same columns answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import DateTime, Integer, Uuid, bindparam

if TYPE_CHECKING:
    from domain.paging import Place

BEHIND_NEWEST: Final = "AND (CAST(:after_id AS uuid) IS NULL OR ({at}, id) < (:after_at, :after_id))"
"""For lists with the newest first; `at` is the column of the time."""
BEHIND_OLDEST: Final = "AND (CAST(:after_id AS uuid) IS NULL OR ({at}, id) > (:after_at, :after_id))"
BEHIND_URGENT: Final = (
    "AND (CAST(:after_id AS uuid) IS NULL OR ({rank}, {at}, id) > (:after_rank, :after_at, :after_id))"
)
PLACE: Final = (
    bindparam("after_at", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid()),
)
"""Types of the parameters: one that is null has none by itself."""
RANKED_PLACE: Final = (*PLACE, bindparam("after_rank", type_=Integer()))


def place_values(after: Place | None) -> dict[str, Any]:
    """The parameters."""
    if after is None:
        return {"after_rank": None, "after_at": None, "after_id": None}
    return {"after_rank": after.rank, "after_at": after.at, "after_id": after.id}

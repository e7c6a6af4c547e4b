"""Pages of lists: what all connections share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.cursors import place_cursor
from schema.scalars import Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.paging import Listed, Place

First = Annotated[
    int, strawberry.argument(description="How many edges at most; 1 to the service's largest page, by default 100.")
]
After = Annotated[Cursor | None, strawberry.argument(description="Go on behind this cursor of the same connection.")]


@strawberry.type(description="Whether a connection goes on, and the cursors to go on with.")
class PageInfo:
    """The Relay specification's page information, true in both directions whichever way was paged."""

    has_next_page: bool = strawberry.field(description="There are others behind this page.")
    has_previous_page: bool = strawberry.field(description="There are others before this page.")
    start_cursor: Cursor | None = strawberry.field(
        description="Of the first edge, for `before` where the connection has it; null when there is none."
    )
    end_cursor: Cursor | None = strawberry.field(
        description=(
            "Of the last edge, for `after`. An empty page of messages has one too, even that of a room without messages; of other "
            "connections it is null then."
        )
    )

    @classmethod
    def of(cls, page: Listed[object], kind: bytes, places: Sequence[Place]) -> PageInfo:
        """That of a page whose edges stand at these places, in a connection of that kind of cursor."""
        return cls(
            has_next_page=page.more_after,
            has_previous_page=page.more_before,
            start_cursor=place_cursor(kind, places[0]) if places else None,
            end_cursor=place_cursor(kind, places[-1]) if places else None,
        )

"""What is held about the viewer, and its end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.privacy import deleting, exporting
from schema.context import Info


@strawberry.type(description="The account is gone, and everything of it that safety does not need.")
class DeleteMyAccountSuccess:
    deleted_at: datetime = strawberry.field(description="When it was deleted.")


DeleteMyAccountPayload = Annotated[
    DeleteMyAccountSuccess,
    strawberry.union("DeleteMyAccountPayload", description="What `deleteMyAccount` answers."),
]


@strawberry.type
class PrivacyQuery:
    @strawberry.field(
        description=(
            "Everything held about the viewer, as a JSON document. Suspended viewers may ask as well. Of messages the newest are "
            "in it in full, up to 4 MiB, of the others only times and lengths. 5 at once and 5 a day; beyond, RATE_LIMITED."
        )
    )
    async def export_my_data(self, info: Info) -> str:
        services, caller = info.context.services, info.context.signed_in
        return await exporting.export(services.read, services.limits, caller.user_id, clock=services.clock)


@strawberry.type
class PrivacyMutation:
    @strawberry.mutation(
        description=(
            "Deletes the account at once and for good; suspended viewers may as well. Every session ends (4401), and with them the "
            "place in the queue, the match and all seats. What stays, for as long as safety needs it: reports about the viewer and "
            "what came of them, and reports by the viewer, without their name. Repeated, it answers UNAUTHENTICATED."
        )
    )
    async def delete_my_account(self, info: Info) -> DeleteMyAccountPayload:
        services, caller = info.context.services, info.context.signed_in
        deleted_at = await deleting.delete_account(
            services.transact, caller, new_id=services.new_id, clock=services.clock
        )
        return DeleteMyAccountSuccess(deleted_at=deleted_at)

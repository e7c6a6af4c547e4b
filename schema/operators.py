"""Operators: how they sign in, and the log of what they did."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain import errors
from domain.paging import Place
from domain.safety import audit, auditing, operators
from schema.context import Info
from schema.cursors import AUDIT, place_cursor, place_of
from schema.errors import NotAllowedError, answers
from schema.identity import Session, User
from schema.inputs import given
from schema.paging import After, First, PageInfo
from schema.scalars import Cursor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from domain import identity
    from domain.paging import Listed


@strawberry.type(
    description="Something that an operator, a rule or the command line did. Entries are never changed or deleted."
)
class AuditEntry:
    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    at: datetime = strawberry.field(description="When it was done.")
    actor: User | None = strawberry.field(
        description="The operator; null for a rule, the command line and users, and once the account is gone."
    )
    action: str = strawberry.field(description="What was done, such as `CASE_DECIDED`. New ones may come.")
    target: str | None = strawberry.field(
        description="What it was done to, as `user:`, `case:` or another kind and an ID."
    )
    details: str | None = strawberry.field(
        description="Short facts, such as `role=ADMIN`; never a message, a name, or anybody's words."
    )

    @classmethod
    def of(cls, entry: audit.AuditEntry, actors: Mapping[UUID, identity.User]) -> AuditEntry:
        """The API's form of an entry."""
        actor = None if entry.actor_id is None else actors.get(entry.actor_id)
        return cls(
            id=strawberry.ID(str(entry.id)),
            at=entry.at,
            actor=None if actor is None else User.of(actor),
            action=entry.action.value,
            target=entry.target,
            details=entry.details,
        )


@strawberry.type(description="An entry at its place in the log.")
class AuditEntryEdge:
    """The Relay specification's edge."""

    cursor: Cursor = strawberry.field(description="The place. Goes into `after`.")
    node: AuditEntry = strawberry.field(description="The entry.")


@strawberry.type(description="The audit log, the newest entry first.")
class AuditEntryConnection:
    """The Relay specification's connection."""

    edges: list[AuditEntryEdge] = strawberry.field(description="At most as many as were asked for.")
    page_info: PageInfo = strawberry.field(description="Whether there are others before and behind.")

    @classmethod
    def of(cls, page: Listed[audit.AuditEntry], actors: Mapping[UUID, identity.User]) -> AuditEntryConnection:
        """A page of the log."""
        places = [Place(0, entry.at, entry.id) for entry in page.items]
        return cls(
            edges=[
                AuditEntryEdge(cursor=place_cursor(AUDIT, place), node=AuditEntry.of(entry, actors))
                for place, entry in zip(places, page.items, strict=True)
            ],
            page_info=PageInfo.of(page, AUDIT, places),
        )


@strawberry.input(description="Which operator comes in.")
class SignInOperatorInput:
    token: str = strawberry.field(description="As `python -m api operator add` printed it.")


@strawberry.type(description="Signed in, with the operator's account.")
class SignInOperatorSuccess:
    session: Session = strawberry.field(description="A new session of the operator's account.")


SignInOperatorPayload = Annotated[
    SignInOperatorSuccess | NotAllowedError,
    strawberry.union("SignInOperatorPayload", description="What `signInOperator` answers."),
]


@strawberry.type
class OperatorsQuery:
    """`auditLog`."""

    @strawberry.field(description="Admins only. What operators, rules and the command line did, the newest first.")
    async def audit_log(self, info: Info, first: First = 50, after: After = strawberry.UNSET) -> AuditEntryConnection:
        services, viewer = info.context.services, info.context.viewer
        place = place_of(given(after), AUDIT)
        with services.paging() as most:
            page, actors = await services.read(lambda uow: auditing.audit_log(uow, viewer.user_id, first, place, most))
        return AuditEntryConnection.of(page, actors)


@strawberry.type
class OperatorsMutation:
    """`signInOperator`."""

    @strawberry.mutation(
        description=(
            "Signs an operator in; the token is good until the command line replaces it. One that is not good is answered with "
            f"`NotAllowedError`. A network may fail {operators.FAILURES_PER_NETWORK} times at once, and as often in 10 minutes "
            "from then on: more are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.NotAllowed)
    async def sign_in_operator(
        self,
        info: Info,
        input: Annotated[SignInOperatorInput, strawberry.argument(description="Which operator comes.")],
    ) -> SignInOperatorPayload:
        services, now = info.context.services, info.context.services.clock()
        grant = await operators.sign_in_operator(
            services.transact,
            services.limits,
            services.secrets,
            services.new_id,
            token=input.token,
            network=info.context.network,
            now=now,
        )
        return SignInOperatorSuccess(session=Session.of(grant, services, now))

"""Appealing against a suspension, deciding about it, and lifting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from domain import errors
from domain.identity import while_signed_in
from domain.safety import appealing
from domain.safety.appeal import LONGEST_STATEMENT
from domain.safety.judging import LONGEST_REASON
from schema.context import Info
from schema.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError, answers
from schema.ids import known_id
from schema.safety import Appeal, Suspension

if TYPE_CHECKING:
    # Cases show appeals, and the answer to a judgement shows the case.
    from schema.cases import Case

REASON = f"1 to {LONGEST_REASON:,} characters"


@strawberry.input(description="A suspension of the viewer or of their device, and why it is wrong.")
class AppealSuspensionInput:
    suspension_id: strawberry.ID = strawberry.field(description="The suspension's ID, of `me`.")
    statement: str = strawberry.field(description=f"1 to {LONGEST_STATEMENT:,} characters.")


@strawberry.type(description="Somebody will look at it again.")
class AppealSuspensionSuccess:
    appeal: Appeal = strawberry.field(description="The appeal, OPEN. What becomes of it shows in `me`.")


AppealSuspensionPayload = Annotated[
    AppealSuspensionSuccess | NotFoundError | InvalidInputError | ConflictError,
    strawberry.union("AppealSuspensionPayload", description="What `appealSuspension` answers."),
]


@strawberry.input(description="What becomes of an appeal.")
class DecideAppealInput:
    appeal_id: strawberry.ID = strawberry.field(description="The appeal's ID, of `Case.appeal`.")
    overturn: bool = strawberry.field(
        description="Whether all that the case brought is taken back; otherwise the suspension stays."
    )
    reason: str = strawberry.field(
        description=f"What whoever appealed reads: {REASON}, or the answer is BAD_USER_INPUT."
    )


@strawberry.type(description="The appeal is decided.")
class DecideAppealSuccess:
    case: Annotated[Case, strawberry.lazy("schema.cases")] = strawberry.field(description="The case as it is now.")


DecideAppealPayload = Annotated[
    DecideAppealSuccess | NotFoundError | NotAllowedError | ConflictError,
    strawberry.union("DecideAppealPayload", description="What `decideAppeal` answers."),
]


@strawberry.input(description="Which suspension shall end, and why.")
class LiftSuspensionInput:
    suspension_id: strawberry.ID = strawberry.field(description="The suspension's ID, of `Case.suspension`.")
    reason: str = strawberry.field(
        description=f"What whoever appealed against it reads: {REASON}, or the answer is BAD_USER_INPUT."
    )


@strawberry.type(description="The suspension restricts nobody any more.")
class LiftSuspensionSuccess:
    suspension: Suspension = strawberry.field(description="The suspension as it is now.")


LiftSuspensionPayload = Annotated[
    LiftSuspensionSuccess | NotFoundError | NotAllowedError,
    strawberry.union("LiftSuspensionPayload", description="What `liftSuspension` answers."),
]


@strawberry.type
class AppealsMutation:
    """The second look."""

    @strawberry.mutation(
        description=(
            "Asks for a second look at a suspension of the viewer or of their device, in force or past, by somebody else than who "
            "decided it. Each can be appealed against once; again is `ConflictError`, and so is a hold by a rule whose case was "
            f"decided since. More than {appealing.APPEALS_OF_USER} at once, and then as many a day, are refused with RATE_LIMITED."
        )
    )
    @answers(errors.NotFound, errors.InvalidInput, errors.Conflict)
    async def appeal_suspension(
        self, info: Info, input: Annotated[AppealSuspensionInput, strawberry.argument(description="What is wrong.")]
    ) -> AppealSuspensionPayload:
        services, caller = info.context.services, info.context.signed_in
        appeal = await appealing.appeal_suspension(
            while_signed_in(services.transact, caller),
            services.limits,
            caller.user_id,
            known_id(input.suspension_id),
            input.statement,
            new_id=services.new_id,
            clock=services.clock,
        )
        return AppealSuspensionSuccess(appeal=Appeal.of(appeal))

    @strawberry.mutation(
        description=(
            "Operators only. Decides an open appeal: `NotAllowedError` to who decided the case, whom it restricts, and who "
            "reported them. Overturned, the suspension ends at once, the reports are dismissed, and sessions get FULL back when "
            "they refresh. The same once more answers the same; `ConflictError` if it is decided otherwise."
        )
    )
    @answers(errors.NotFound, errors.NotAllowed, errors.Conflict)
    async def decide_appeal(
        self, info: Info, input: Annotated[DecideAppealInput, strawberry.argument(description="What is decided.")]
    ) -> DecideAppealPayload:
        from schema.cases import id_or_nobody, shown_again  # noqa: PLC0415  # cases show appeals

        services, viewer = info.context.services, info.context.viewer
        case = await appealing.decide_appeal(
            services.transact,
            viewer.user_id,
            id_or_nobody(input.appeal_id),
            appealing.Judgement(input.overturn, input.reason),
            new_id=services.new_id,
            clock=services.clock,
        )
        return DecideAppealSuccess(case=await shown_again(info.context, case.id))

    @strawberry.mutation(
        description=(
            "Operators only. Ends a suspension at once: admins any, moderators what they decided themselves and what a rule did. "
            "An open appeal against it is overturned with it. One that was lifted before, or has run out, is answered as it is."
        )
    )
    @answers(errors.NotFound, errors.NotAllowed)
    async def lift_suspension(
        self, info: Info, input: Annotated[LiftSuspensionInput, strawberry.argument(description="What shall end.")]
    ) -> LiftSuspensionPayload:
        from schema.cases import id_or_nobody  # noqa: PLC0415  # cases show appeals

        services, viewer = info.context.services, info.context.viewer
        suspension = await appealing.lift_suspension(
            services.transact,
            viewer.user_id,
            id_or_nobody(input.suspension_id),
            input.reason,
            new_id=services.new_id,
            clock=services.clock,
        )
        return LiftSuspensionSuccess(suspension=Suspension.of(suspension))

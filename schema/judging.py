"""What operators do about cases: claiming and deciding them."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain import errors
from domain.safety import judging
from schema.cases import LEASE, OPERATORS_ONLY, Case, id_or_nobody, shown_again
from schema.context import Info
from schema.enums import CaseDecision, SuspensionScope
from schema.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError, answers
from schema.inputs import given


@strawberry.input(description="Which case.")
class CaseActionInput:
    case_id: strawberry.ID = strawberry.field(description="The case's ID.")


@strawberry.type(description=f"The case is the viewer's to decide for {LEASE}.")
class ClaimCaseSuccess:
    case: Case = strawberry.field(description="The case, CLAIMED.")


ClaimCasePayload = Annotated[
    ClaimCaseSuccess | NotFoundError | ConflictError,
    strawberry.union("ClaimCasePayload", description="What `claimCase` answers."),
]


@strawberry.input(one_of=True, description="How long a suspension lasts: exactly one of these.")
class SuspensionDurationInput:
    hours: int | None = strawberry.field(
        default=strawberry.UNSET, description=f"1 to {judging.MOST_HOURS}, which is ten years."
    )
    permanent: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only true. Admins may, and moderators where it is the next step of the ladder.",
    )

    def duration(self) -> judging.Duration:
        """The domain's form."""
        return judging.Duration(given(self.hours), permanent=bool(given(self.permanent)))


@strawberry.input(description="What the viewer decides about a case.")
class DecideCaseInput:
    case_id: strawberry.ID = strawberry.field(description="A case that the viewer has claimed.")
    decision: CaseDecision = strawberry.field(description="What becomes of it.")
    reason: str = strawberry.field(
        description=(
            f"The statement of reasons that the subject reads: 1 to {judging.LONGEST_REASON} characters (code points in NFC) after "
            "trimming, with line breaks and no other control characters. Name nobody in it."
        )
    )
    scope: SuspensionScope = strawberry.field(
        default=SuspensionScope.ALL, description="What a suspension takes away; other decisions take nothing."
    )
    duration: SuspensionDurationInput | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "How long a suspension lasts; other decisions have none. Without it, the next step of the ladder: 1 hour, 24 hours, 7 "
            "days, 30 days, for good, one above the highest of the last 90 days."
        ),
    )

    def verdict(self) -> judging.Verdict:
        """The domain's form."""
        duration = given(self.duration)
        return judging.Verdict(
            self.decision, self.reason, self.scope, None if duration is None else duration.duration()
        )


@strawberry.type(description="The case is decided.")
class DecideCaseSuccess:
    case: Case = strawberry.field(description="The case with its decision.")


DecideCasePayload = Annotated[
    DecideCaseSuccess | NotFoundError | NotAllowedError | ConflictError | InvalidInputError,
    strawberry.union("DecideCasePayload", description="What `decideCase` answers."),
]


@strawberry.type
class JudgingMutation:
    """`claimCase` and `decideCase`."""

    @strawberry.mutation(
        description=(
            f"{OPERATORS_ONLY} Takes an undecided case, so that nobody else decides it for {LEASE}; claiming it again begins these "
            "anew. `ConflictError` while another operator has it, and once it is decided. FORBIDDEN to whoever is its subject or "
            "one of its reporters."
        )
    )
    @answers(errors.NotFound, errors.Conflict)
    async def claim_case(
        self, info: Info, input: Annotated[CaseActionInput, strawberry.argument(description="Which case.")]
    ) -> ClaimCasePayload:
        services, viewer = info.context.services, info.context.viewer
        case = await judging.claim_case(
            services.transact, viewer.user_id, id_or_nobody(input.case_id), new_id=services.new_id, clock=services.clock
        )
        return ClaimCaseSuccess(case=await shown_again(info.context, case.id))

    @strawberry.mutation(
        description=(
            f"{OPERATORS_ONLY} Decides a case that the viewer has claimed. Its reports become UPHELD, or DISMISSED with it; holds "
            "by rules end; the subject is told of a warning or a suspension, which begins at once, on their device too. "
            "`NotAllowedError` without a claim, to the subject and reporters of the case, and for a suspension for good that "
            "neither an admin decides nor the ladder; `ConflictError` while another operator has the case, and once it is decided. "
            "Repeating a decision changes nothing and answers the same."
        )
    )
    @answers(errors.NotFound, errors.NotAllowed, errors.Conflict, errors.InvalidInput)
    async def decide_case(
        self, info: Info, input: Annotated[DecideCaseInput, strawberry.argument(description="What is decided.")]
    ) -> DecideCasePayload:
        services, viewer = info.context.services, info.context.viewer
        case = await judging.decide_case(
            services.transact,
            viewer.user_id,
            id_or_nobody(input.case_id),
            input.verdict(),
            new_id=services.new_id,
            clock=services.clock,
        )
        return DecideCaseSuccess(case=await shown_again(info.context, case.id))

"""Reports: telling operators about somebody, with proof or without, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain import errors, franking
from domain.paging import Place
from domain.safety import report, reporting
from domain.safety.acquaintance import REMEMBERED
from domain.safety.report import LONGEST_COMMENT, MOST_EVIDENCE
from schema.context import Info
from schema.cursors import REPORT, place_cursor, place_of
from schema.enums import ReportCategory, ReportStatus
from schema.errors import InvalidInputError, NotFoundError, answers
from schema.ids import known_id
from schema.inputs import given
from schema.paging import After, First, PageInfo
from schema.scalars import Base64, Cursor

if TYPE_CHECKING:
    from domain.paging import Listed

MET = f"{REMEMBERED.total_seconds() / 3600:.0f} hours"
DIGEST = f"Exactly {franking.COMMITMENT_BYTES} bytes."


@strawberry.type(
    description="What somebody reported about somebody else. Nobody but the reporter and operators sees it."
)
class Report:
    """See `domain.safety.report.Report`."""

    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    category: ReportCategory = strawberry.field(description="What it is about.")
    comment: str | None = strawberry.field(description="What the reporter wrote; null when nothing, or no longer kept.")
    status: ReportStatus = strawberry.field(description="What became of it.")
    created_at: datetime = strawberry.field(description="When it was taken.")

    @classmethod
    def of(cls, made: report.Report) -> Report:
        """The API's form of a report."""
        return cls(
            id=strawberry.ID(str(made.id)),
            category=made.category,
            comment=made.comment,
            status=made.status,
            created_at=made.created_at,
        )


@strawberry.type(description="A report at its place in the list.")
class ReportEdge:
    """The Relay specification's edge."""

    cursor: Cursor = strawberry.field(description="The place. Goes into `after`.")
    node: Report = strawberry.field(description="The report.")


@strawberry.type(description="What the viewer reported, the newest first.")
class ReportConnection:
    """The Relay specification's connection."""

    edges: list[ReportEdge] = strawberry.field(description="At most as many as were asked for.")
    page_info: PageInfo = strawberry.field(description="Whether there are others before and behind.")

    @classmethod
    def of(cls, page: Listed[report.Report]) -> ReportConnection:
        """A page of the viewer's reports."""
        places = [Place(0, made.created_at, made.id) for made in page.items]
        return cls(
            edges=[
                ReportEdge(cursor=place_cursor(REPORT, place), node=Report.of(made))
                for place, made in zip(places, page.items, strict=True)
            ],
            page_info=PageInfo.of(page, REPORT, places),
        )


@strawberry.input(description="The server's word that a message was sent, as it came with the message.")
class FrankingTagInput:
    """See `domain.franking.FrankingTag`."""

    key_id: str = strawberry.field(description="Which of the server's keys made the tag.")
    ciphertext_hash: Base64 = strawberry.field(description=f"SHA-256 of the ciphertext. {DIGEST}")
    tag: Base64 = strawberry.field(description=f"The tag. {DIGEST}")


@strawberry.input(
    description=(
        "A message that the reporter received, disclosed with the opening of its commitment. What does not prove that the member "
        "sent it is kept beside the report for operators to see, and counts for nothing: a message of anybody else's or of another "
        f"room, one of more than {franking.DISCLOSED_WITHIN.days} days ago, one of which anything was changed."
    )
)
class DisclosedMessageInput:
    """See `domain.franking.Disclosure`."""

    message_id: strawberry.ID = strawberry.field(description="The message's `id`.")
    plaintext: str = strawberry.field(
        description=f"What it said, exactly as it was decrypted; at most {franking.LONGEST_PLAINTEXT // 1024} KiB in UTF-8."
    )
    opening_key: Base64 = strawberry.field(
        description=(
            f"The {franking.OPENING_KEY_BYTES}-byte key that opens the commitment; it travels inside the encrypted message."
        )
    )
    commitment: Base64 = strawberry.field(description=f"The message's `commitment`. {DIGEST}")
    franking_tag: FrankingTagInput = strawberry.field(description="The message's `frankingTag`.")
    sent_at: datetime = strawberry.field(description="The message's `sentAt`.")

    def disclosure(self, field: str) -> franking.Disclosure:
        """The domain's form. Raises `InvalidInput` for what is the ID of no message."""
        try:
            message_id = known_id(self.message_id)
        except errors.NotFound:
            raise errors.InvalidInput(f"{field}.messageId", "The ID of a message, as this API gives it out.") from None
        tag = self.franking_tag
        return franking.Disclosure(
            message_id=message_id,
            plaintext=self.plaintext,
            opening_key=self.opening_key,
            commitment=self.commitment,
            tag=franking.FrankingTag(tag.key_id, tag.ciphertext_hash, tag.tag),
            sent_at=self.sent_at,
        )


@strawberry.input(description="Whom to report, and for what.")
class ReportUserInput:
    member_id: strawberry.ID = strawberry.field(
        description=f"Somebody in a room that both are in, or were in within the last {MET}."
    )
    category: ReportCategory = strawberry.field(description="What it is about.")
    comment: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            f"What operators should know, in the reporter's words: at most {LONGEST_COMMENT:,} characters after trimming and "
            "Unicode NFC, without control characters but line breaks."
        ),
    )
    evidence: list[DisclosedMessageInput] = strawberry.field(
        default_factory=list,
        description=(
            f"Messages of the member in that room: at most {MOST_EVIDENCE}, and as much as fits into one request. One that is no "
            "message is an `InvalidInputError` with its place, such as `evidence.3.openingKey`."
        ),
    )

    def complaint(self) -> reporting.Complaint:
        """The domain's form. Raises `InvalidInput`, or `NotFound` for what is the ID of no member."""
        return reporting.Complaint(
            member_id=known_id(self.member_id),
            category=self.category,
            comment=given(self.comment),
            # One more than may be given tells that there are too many.
            evidence=[
                message.disclosure(f"evidence.{position}")
                for position, message in enumerate(self.evidence[: MOST_EVIDENCE + 1])
            ],
        )


@strawberry.type(description="The report is taken.")
class ReportUserSuccess:
    report: Report = strawberry.field(
        description="The report; for a repeat about the same member the first, unchanged, with what became of it."
    )


ReportUserPayload = Annotated[
    ReportUserSuccess | NotFoundError | InvalidInputError,
    strawberry.union("ReportUserPayload", description="What `reportUser` answers."),
]


@strawberry.type
class ReportsQuery:
    """`myReports`."""

    @strawberry.field(description="What the viewer reported, the newest first; also for an APPEAL_ONLY session.")
    async def my_reports(self, info: Info, first: First = 50, after: After = strawberry.UNSET) -> ReportConnection:
        services, caller = info.context.services, info.context.signed_in
        place = place_of(given(after), REPORT)
        with services.paging() as most:
            page = await services.read(lambda uow: reporting.reports_of(uow, caller.user_id, first, place, most))
        return ReportConnection.of(page)


@strawberry.type
class ReportsMutation:
    """`reportUser`."""

    @strawberry.mutation(
        description=(
            "Tells operators about somebody whom the viewer met, once per member: repeating it returns the first report. A match "
            "of the two ends as if the viewer had left it, and they are not matched again for the cooldown of `skip`; "
            "`blockUser` keeps them apart for good. The reported person is told nothing of the report, nor who made it; enough "
            "reports, or a proved message in a most urgent category, keep them from matching until an operator has looked. More "
            f"than {reporting.REPORTS_OF_USER} of a user or {reporting.REPORTS_OF_NETWORK} of a network at once, and as many an "
            "hour from then on, are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.NotFound, errors.InvalidInput)
    async def report_user(
        self, info: Info, input: Annotated[ReportUserInput, strawberry.argument(description="Whom, and for what.")]
    ) -> ReportUserPayload:
        services, viewer = info.context.services, info.context.viewer
        made = await reporting.report_user(
            services.transact,
            services.read,
            services.limits,
            services.secrets,
            services.franking,
            one_by_one=services.one_by_one,
            user_id=viewer.user_id,
            network=info.context.network,
            complaint=input.complaint(),
            cooldown=services.skip_cooldown,
            new_id=services.new_id,
            clock=services.clock,
        )
        return ReportUserSuccess(report=Report.of(made))

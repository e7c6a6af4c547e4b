"""Who judges, by what the command line and the API do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from domain.franking import Finding, commit
from domain.identity import Caller, Grant, OperatorRole
from domain.ports import UnitOfWork
from domain.rooms.room import Room
from domain.safety.case import Case, CaseStatus
from domain.safety.operators import add_operator, sign_in_operator
from domain.safety.report import Evidence, Report, ReportStatus
from domain.safety.suspension import ReportCategory
from tests.encoding import base64
from tests.world.keys import Keys
from tests.world.matching import seat
from tests.world.parts import NETWORK, Who, id_of

REPORT = """mutation($input: ReportUserInput!) { reportUser(input: $input) { __typename
  ... on ReportUserSuccess { report { id category comment status createdAt } }
  ... on NotFoundError { message } ... on InvalidInputError { field message } } }"""


class Safety(Keys):
    """Operators, and what users and operators do about each other."""

    async def operator(self, role: OperatorRole = OperatorRole.MODERATOR, name: str = "Olive") -> Caller:
        """A new operator, signed in."""
        return self.caller(await self.sign_in_operator((await self.operator_token(role, name))[1]))

    async def operator_token(
        self, role: OperatorRole = OperatorRole.MODERATOR, name: str = "Olive"
    ) -> tuple[UUID, str]:
        """A new operator: the ID of the account, and the token that signs it in."""
        user, token = await self.database.transact(
            lambda uow: add_operator(uow, self.secrets, uuid4, name=name, role=role, now=self.clock())
        )
        return user.id, token

    async def sign_in_operator(self, token: str, network: str = NETWORK) -> Grant:
        """A new session of the operator whose token it is."""
        return await sign_in_operator(
            self.database.transact, self.limits, self.secrets, uuid4, token=token, network=network, now=self.clock()
        )

    # --- reports ------------------------------------------------------------------------------------------------------------

    async def report(
        self, reporter: Caller, room: Room, subject: Who, category: str = "HARASSMENT", **more: object
    ) -> dict[str, Any]:
        """What `reportUser` answered about the subject's seat in that room."""
        about = {"memberId": str(seat(room, subject).id), "category": category}
        result: dict[str, Any] = await self.answer(REPORT, reporter, input=about | more)
        return result

    async def reported(
        self, reporter: Caller, room: Room, subject: Who, category: str = "HARASSMENT", **more: object
    ) -> UUID:
        """The ID of a report that was taken."""
        result = await self.report(reporter, room, subject, category, **more)
        assert result["__typename"] == "ReportUserSuccess", result
        return UUID(result["report"]["id"])

    async def case_about(
        self,
        subject: Who,
        *reporters: Who,
        category: ReportCategory = ReportCategory.HARASSMENT,
        priority: int = 2,
        said: Sequence[str] = (),
    ) -> UUID:
        """The ID of a case that is put there, with a report by each, each with such messages disclosed. Nobody is told."""
        now, subject_id = self.clock(), id_of(subject)
        case = Case(uuid4(), subject_id, CaseStatus.OPEN, priority, now)
        ids = [uuid4() for _ in reporters]

        async def work(uow: UnitOfWork) -> None:
            await uow.cases.add(case)
            for report_id, reporter in zip(ids, reporters, strict=True):
                report = Report(
                    id=report_id,
                    case_id=case.id,
                    reporter_id=id_of(reporter),
                    subject_id=subject_id,
                    room_id=uuid4(),
                    category=category,
                    comment="They were rude.",
                    status=ReportStatus.RECEIVED,
                    weight=0.5,
                    verified=bool(said),
                    created_at=now,
                )
                messages = [
                    Evidence(report_id, place, uuid4(), text, now, Finding.VERIFIED) for place, text in enumerate(said)
                ]
                await uow.reports.add(report, messages)

        await self.database.transact(work)
        return case.id

    async def disclosed(self, sender: Caller, room: Room, plaintext: str = "an insult") -> dict[str, Any]:
        """What a receiver discloses of a message that the sender now sends with a commitment."""
        key, own = b"k" * 32, seat(room, sender)
        commitment = base64(commit(key, room_id=room.id, member_id=own.id, plaintext=plaintext))
        message = (await self.sent(sender, room, "sealed", commitment=commitment))["node"]
        return {
            "messageId": message["id"],
            "plaintext": plaintext,
            "openingKey": base64(key),
            "commitment": commitment,
            "frankingTag": message["frankingTag"],
            "sentAt": message["sentAt"],
        }

"""What cases load together, out of nothing: stands for `schema.case_batches` below production resolvers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from domain.errors import Forbidden
from domain.franking import Finding
from domain.identity import User
from domain.paging import Listed, Place
from domain.safety.case import CaseDecision
from domain.safety.ladder import LadderStep
from domain.safety.report import Evidence, Report, ReportStatus
from domain.safety.suspension import ReportCategory
from schema.case_batches import Once

SOMEBODY: Final = UUID("7c9a1f0e-33a2-4a54-8f0d-0e5a0b6f7a21")


class Batch:
    """Both a `CaseBatch` and the `ReportBatch` that it loads. By its seed it has reports or none, and shows them or refuses."""

    def __init__(self, seed: int, at: datetime) -> None:
        random = Random(seed)
        self._shows = random.random() < 0.8
        self._at = at
        self._reports = [self._report(random) for _ in range(random.randint(0, 3))]
        self.pages: Mapping[UUID, Listed[Report]] = {
            SOMEBODY: Listed(self._reports, more_after=True, more_before=False)
        }
        self.reporters = Once(self._load_reporters)
        self.evidence = Once(self._load_evidence)
        self.suggestions = Once(self._load_suggestions)

    async def reports(self, first: int, after: Place | None) -> Batch:
        """See `CaseBatch.reports`."""
        if first < 1 or after is not None:
            raise Forbidden
        return self

    async def _load_reporters(self) -> Mapping[UUID, User]:
        if not self._shows:
            raise Forbidden
        return {SOMEBODY: User(SOMEBODY, "Ada", self._at, None, None)}

    async def _load_evidence(self) -> Mapping[UUID, Sequence[Evidence]]:
        if not self._shows:
            raise Forbidden
        return {each.id: [Evidence(each.id, 0, SOMEBODY, "hi", self._at, Finding.VERIFIED)] for each in self._reports}

    async def _load_suggestions(self) -> Mapping[UUID, LadderStep]:
        if not self._shows:
            raise Forbidden
        return {SOMEBODY: LadderStep(CaseDecision.SUSPEND, timedelta(hours=len(self._reports)) or None)}

    def _report(self, random: Random) -> Report:
        return Report(
            id=UUID(int=random.getrandbits(128)),
            case_id=SOMEBODY,
            reporter_id=random.choice([SOMEBODY, None]),
            subject_id=SOMEBODY,
            room_id=SOMEBODY,
            category=random.choice(list(ReportCategory)),
            comment=random.choice([None, "x"]),
            status=random.choice(list(ReportStatus)),
            weight=random.random(),
            verified=random.random() < 0.5,
            created_at=self._at,
        )

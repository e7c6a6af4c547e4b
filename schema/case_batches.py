"""What the cases of one answer load together: the first field that needs something loads it for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from domain.errors import Forbidden
from domain.safety import docket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from domain.identity import User
    from domain.paging import Listed, Place
    from domain.safety.ladder import LadderStep
    from domain.safety.report import Evidence, Report
    from schema.context import Context

T = TypeVar("T")


class Once(Generic[T]):
    """What many ask for and one loads, while the others wait. A failure is everybody's; who is cancelled leaves it to the next."""

    def __init__(self, load: Callable[[], Awaitable[T]]) -> None:
        self._load = load
        self._one_by_one = asyncio.Lock()
        self._loaded: tuple[T] | Exception | None = None

    async def get(self) -> T:
        """What was loaded. Raises what loading raised."""
        async with self._one_by_one:
            if self._loaded is None:
                try:
                    self._loaded = (await self._load(),)
                except Exception as error:
                    self._loaded = error
                    raise
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded[0]


class CaseBatch:
    """The cases of one answer, given with their subjects, for one viewer. Evidence is `disclosed` where one case was asked for by
    its ID.
    """

    def __init__(self, context: Context, subjects: Mapping[UUID, UUID], *, disclosed: bool = False) -> None:
        self.context = context
        self.disclosed = disclosed
        self.suggestions = Once(self._load_suggestions)
        """What the ladder has for the subject, by case."""
        self._subjects = subjects
        self._reports: dict[tuple[int, Place | None], Once[ReportBatch]] = {}
        self._noted = Once(self._note)

    async def reports(self, first: int, after: Place | None) -> ReportBatch:
        """That page of the reports of each case."""
        once = self._reports.get((first, after))
        if once is None:
            once = self._reports[first, after] = Once(lambda: self._load(first, after))
        return await once.get()

    async def note_evidence_viewed(self) -> None:
        """Writes the entry of the audit log, once. Raises `Forbidden` where nothing is disclosed."""
        if not self.disclosed:
            raise Forbidden("Evidence is served under `case(id)` only.")
        await self._noted.get()

    async def _load(self, first: int, after: Place | None) -> ReportBatch:
        services, viewer = self.context.services, self.context.viewer
        with services.paging() as most:
            pages = await services.read(
                lambda uow: docket.reports_of(uow, viewer.user_id, self._subjects.keys(), first, after, most=most)
            )
        return ReportBatch(self, pages)

    async def _load_suggestions(self) -> Mapping[UUID, LadderStep]:
        services, viewer = self.context.services, self.context.viewer
        return await services.read(lambda uow: docket.suggested(uow, viewer.user_id, self._subjects, services.clock()))

    async def _note(self) -> None:
        services, viewer = self.context.services, self.context.viewer
        for case_id in self._subjects:
            await services.transact(
                lambda uow, case_id=case_id: docket.note_evidence_viewed(  # type: ignore[misc]  # bound now
                    uow, viewer.user_id, case_id, new_id=services.new_id, now=services.clock()
                )
            )


class ReportBatch:
    """A page of the reports of each case, with what these load together."""

    def __init__(self, cases: CaseBatch, pages: Mapping[UUID, Listed[Report]]) -> None:
        self.pages = pages
        self._cases = cases
        self._reports = [report for page in pages.values() for report in page.items]
        self.reporters = Once(self._load_reporters)
        """Who made them, as far as the viewer may see it."""
        self.evidence = Once(self._load_evidence)
        """What was disclosed with them, once it is on record that it was looked at. Raises `Forbidden` where it is not shown."""

    async def _load_reporters(self) -> Mapping[UUID, User]:
        services, viewer = self._cases.context.services, self._cases.context.viewer
        return await services.transact(
            lambda uow: docket.reporters_of(
                uow, viewer.user_id, self._reports, new_id=services.new_id, now=services.clock()
            )
        )

    async def _load_evidence(self) -> Mapping[UUID, Sequence[Evidence]]:
        services, viewer = self._cases.context.services, self._cases.context.viewer
        await self._cases.note_evidence_viewed()
        reports = [report.id for report in self._reports]
        return await services.read(lambda uow: docket.evidence_of(uow, viewer.user_id, reports))

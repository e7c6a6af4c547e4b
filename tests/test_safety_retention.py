"""How long what belongs to safety is kept: each kind to the day, and not a day longer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.identity import OperatorRole
from domain.ports import UnitOfWork
from domain.safety.appeal import Appeal, AppealStatus
from domain.safety.case import AccountWarning, CaseDecision
from domain.safety.retention import (
    DEVICES_KEPT,
    GRAVEST_WORDS_KEPT,
    RECORDS_KEPT,
    SESSIONS_KEPT,
    WORDS_KEPT,
    WORDS_OF_DISMISSED_KEPT,
)
from domain.safety.suspension import ReportCategory
from persistence.retention import purge
from tests.lives import decide, decide_appeal
from tests.traces import traces
from tests.world import START, World, open_world

MINUTE = timedelta(minutes=1)
EVER = timedelta(days=5000)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def purged_at(world: World, age: timedelta) -> None:
    """Deletes what is due so long after the start; twice, because what refers to something else goes first."""
    world.clock.moved = age
    for _ in range(2):
        await purge(world.database.reading, world.clock())


async def a_case(
    world: World,
    words: str,
    decision: CaseDecision | None = CaseDecision.WARN,
    category: ReportCategory = ReportCategory.HARASSMENT,
) -> tuple[UUID, UUID]:
    """A case in which those words were disclosed: its subject and its ID."""
    subject, reporter = await world.user(), await world.user()
    case_id = await world.case_about(subject, reporter, category=category, said=(words,))
    if decision is not None:
        await decide(world, subject.user_id, decision)
    return subject.user_id, case_id


async def bind(world: World, user_id: UUID, case_id: UUID, length: timedelta | None, device_id: UUID | None) -> UUID:
    """A suspension that came of the case."""
    ends_at = None if length is None else START + length
    suspension = await world.suspend(user_id, ends_at=ends_at, device_id=device_id)
    async with world.database.reading() as connection:
        await connection.execute(
            text("UPDATE suspension SET case_id = :case WHERE id = :id"), {"case": case_id, "id": suspension.id}
        )
    return suspension.id


async def appeal(world: World, user_id: UUID, case_id: UUID, suspension_id: UUID, statement: str) -> None:
    """An appeal against it."""
    made = Appeal(uuid4(), suspension_id, case_id, user_id, statement, AppealStatus.OPEN, world.clock())
    await world.database.transact(lambda uow: uow.appeals.add(made))


@pytest.mark.parametrize(
    ("decision", "category", "kept"),
    [
        (CaseDecision.DISMISS, ReportCategory.HARASSMENT, WORDS_OF_DISMISSED_KEPT),
        (CaseDecision.DISMISS, ReportCategory.CHILD_SAFETY, WORDS_OF_DISMISSED_KEPT),
        (CaseDecision.WARN, ReportCategory.HARASSMENT, WORDS_KEPT),
        (CaseDecision.SUSPEND, ReportCategory.SEXTORTION, GRAVEST_WORDS_KEPT),
        (None, ReportCategory.HARASSMENT, EVER),
    ],
)
async def test_words_are_kept_as_long_as_their_reason_and_records_without_them_for_the_figures(
    world: World, decision: CaseDecision | None, category: ReportCategory, kept: timedelta
) -> None:
    """What was disclosed in confidence goes as soon as nobody has to look at it again; and what is undecided stays."""
    _, case_id = await a_case(world, "disclosed words", decision, category)
    spoken = {"disclosed words": {"evidence.plaintext"}, "They were rude.": {"report.comment"}}
    for age, words, record in (
        (kept - MINUTE, True, True),
        (kept + MINUTE, False, True),
        (RECORDS_KEPT - MINUTE, kept is EVER, True),
        (RECORDS_KEPT + MINUTE, kept is EVER, kept is EVER),
    ):
        if kept is EVER and age > EVER:
            continue
        await purged_at(world, age)
        found = await traces(world.database, "disclosed words", "They were rude.", case_id)
        assert (case_id_found := bool(found.pop(str(case_id), None))) is record, (age, case_id_found)
        assert found == (spoken if words else {}), age
    if decision is not None:
        async with world.database.reading() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM report")) == 0


async def test_all_that_people_wrote_goes_at_once(world: World) -> None:
    """Not the evidence alone: statements, reasons and warnings tell what happened as well."""
    user_id, case_id = await a_case(world, "disclosed", CaseDecision.SUSPEND)
    suspension_id = await bind(world, user_id, case_id, timedelta(days=1), None)
    await appeal(world, user_id, case_id, suspension_id, "a statement")
    warning = AccountWarning(uuid4(), user_id, case_id, "a warning's reason", world.clock())
    await world.database.transact(lambda uow: uow.cases.warn(warning))

    async def reword(uow: UnitOfWork) -> None:
        case = await uow.cases.get(case_id)
        assert case is not None
        await uow.cases.save(replace(case, reason="a case's reason"))

    await world.database.transact(reword)
    await decide_appeal(world, user_id)
    words = ("disclosed", "a statement", "a warning's reason", "a case's reason", "Seen.")
    await purged_at(world, WORDS_KEPT - MINUTE)
    assert set(await traces(world.database, *words)) == {*words}
    await purged_at(world, WORDS_KEPT + MINUTE)
    assert await traces(world.database, *words) == {}


async def test_nothing_goes_while_an_appeal_waits_and_half_a_year_begins_with_its_decision(world: World) -> None:
    """Whoever decides it has in front of them what was decided upon."""
    user_id, case_id = await a_case(world, "disclosed words", CaseDecision.SUSPEND)
    await appeal(world, user_id, case_id, await bind(world, user_id, case_id, timedelta(days=1), None), "wrongly")
    await purged_at(world, RECORDS_KEPT + MINUTE)
    assert set(await traces(world.database, "disclosed words", "wrongly")) == {"disclosed words", "wrongly"}
    await decide_appeal(world, user_id)
    await purged_at(world, RECORDS_KEPT + WORDS_KEPT)
    assert set(await traces(world.database, "disclosed words", "wrongly")) == {"disclosed words", "wrongly"}
    await purged_at(world, RECORDS_KEPT + WORDS_KEPT + 2 * MINUTE)
    assert await traces(world.database, "disclosed words", "wrongly") == {}


async def test_a_suspension_for_good_outlasts_everything_and_a_late_appeal_against_it_is_wiped_in_its_turn(
    world: World,
) -> None:
    """What binds somebody stays with its reason, its device and its case, so that there is something to appeal against."""
    grant = (await world.sign_in()).grant
    assert grant.user.device_id is not None
    user_id, case_id = await a_case(world, "disclosed words", CaseDecision.SUSPEND)
    suspension_id = await bind(world, user_id, case_id, None, grant.user.device_id)
    await purged_at(world, 2 * RECORDS_KEPT)
    assert set(await traces(world.database, case_id, suspension_id, "disclosed words")) == {
        str(case_id),
        str(suspension_id),
    }
    await appeal(world, user_id, case_id, suspension_id, "let me back")
    await decide_appeal(world, user_id)
    await purged_at(world, 2 * RECORDS_KEPT + WORDS_KEPT + MINUTE)
    assert await traces(world.database, "let me back") == {}
    await purged_at(world, 4 * RECORDS_KEPT)
    found = await traces(world.database, suspension_id, grant.user.device_id, "Be kind.")
    assert found[str(suspension_id)] == {"suspension.id", "appeal.suspension_id"}
    assert found["Be kind."] == {"suspension.reason"}
    assert "suspension.device_id" in found[str(grant.user.device_id)]


async def test_a_suspension_that_ended_goes_with_all_that_belongs_to_it(world: World) -> None:
    """A year and some later nothing says that there was one."""
    user_id, case_id = await a_case(world, "disclosed words", CaseDecision.SUSPEND)
    month = timedelta(days=30)
    suspension_id = await bind(world, user_id, case_id, month, None)
    await appeal(world, user_id, case_id, suspension_id, "wrongly")
    await decide_appeal(world, user_id)
    await purged_at(world, RECORDS_KEPT + month - MINUTE)
    assert set(await traces(world.database, case_id, suspension_id)) == {str(case_id), str(suspension_id)}
    await purged_at(world, RECORDS_KEPT + month + MINUTE)
    assert await traces(world.database, case_id, suspension_id) == {}


async def test_sessions_and_devices_that_nobody_can_use_go(world: World) -> None:
    """A session without a token is nothing any more; and one with a token, and its device, stay."""
    gone, kept = await world.sign_in(), await world.sign_in()
    await purged_at(world, SESSIONS_KEPT - MINUTE)
    renewed = await world.refresh(kept.grant.refresh_token)
    unused = uuid4()
    await world.database.transact(lambda uow: uow.devices.add(unused, b"unused", world.clock()))
    await purged_at(world, SESSIONS_KEPT + MINUTE)
    found = await traces(world.database, gone.grant.session.id, renewed.session.id, unused)
    assert set(found) == {str(renewed.session.id), str(unused)}
    await purged_at(world, SESSIONS_KEPT + DEVICES_KEPT + MINUTE)
    assert await traces(world.database, unused) == {}
    assert (await world.sign_in("Ada", kept.device_token)).device_token == kept.device_token


async def test_a_device_is_not_deleted_under_somebody_who_signs_in_on_it(world: World) -> None:
    """Retention passes it over: nobody's sign-in fails because it was the first after a month."""
    first = await world.sign_in()
    device_id = first.grant.user.device_id
    async with world.database.reading() as connection:
        await connection.execute(text("UPDATE account SET device_id = NULL"))
    world.clock.moved = 2 * DEVICES_KEPT

    async def signing_in(uow: UnitOfWork) -> None:
        found = await uow.devices.find(world.secrets.digest("device", first.device_token))
        assert found == device_id
        await purge(world.database.reading, world.clock())

    await world.database.transact(signing_in)
    async with world.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM device WHERE id = :id"), {"id": device_id}) == 1
    await purge(world.database.reading, world.clock())
    async with world.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM device WHERE id = :id"), {"id": device_id}) == 0


async def test_operators_and_the_audit_log_stay(world: World) -> None:
    """An operator who was away for a year is one still, and what was done is written down for ever."""
    user_id, token = await world.operator_token(OperatorRole.ADMIN)
    await world.sign_in_operator(token)
    await purged_at(world, 3 * RECORDS_KEPT)
    assert (await world.sign_in_operator(token)).user.id == user_id
    assert len(await world.database.read(lambda uow: uow.audit.entries(None, 10))) == 3

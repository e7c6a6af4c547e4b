"""What operators ask about cases, and do with them, through the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.identity import Caller
from domain.safety.audit import Action, AuditEntry
from domain.safety.case import Case
from tests.world import World

CASE = """id subject { id displayName } status priority claimedBy { id } claimExpiresAt decision reason decidedBy { id }
  suspension { id scope reason category automated startsAt endsAt liftedAt } appeal { id status } openedAt decidedAt"""
CLAIM = f"""mutation($id: ID!) {{ claimCase(input: {{caseId: $id}}) {{ __typename
  ... on ClaimCaseSuccess {{ case {{ {CASE} }} }} ... on UserError {{ message }} }} }}"""
DECIDE = f"""mutation($input: DecideCaseInput!) {{ decideCase(input: $input) {{ __typename
  ... on DecideCaseSuccess {{ case {{ {CASE} }} }} ... on UserError {{ message }} ... on InvalidInputError {{ field }} }} }}"""
LIST = f"""query($statuses: [CaseStatus!], $subject: ID, $first: Int! = 20, $after: Cursor) {{
  cases(statuses: $statuses, subjectId: $subject, first: $first, after: $after) {{
    edges {{ cursor node {{ {CASE} }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
LOOK = f"query($id: ID!) {{ case(id: $id) {{ {CASE} }} }}"
EVENTS = f"""subscription($after: Cursor) {{ caseEvents(after: $after) {{ __typename
  ... on Event {{ cursor at }} ... on CaseChanged {{ case {{ {CASE} }} }} }} }}"""
REASON = "You insulted somebody."


async def claim(world: World, operator: Caller | None, case_id: object) -> dict[str, Any]:
    """What `claimCase` answered."""
    result: dict[str, Any] = await world.answer(CLAIM, operator, id=str(case_id))
    return result


async def decide(
    world: World, operator: Caller | None, case_id: object, decision: str = "DISMISS", **more: object
) -> dict[str, Any]:
    """What `decideCase` answered."""
    verdict = {"caseId": str(case_id), "decision": decision, "reason": REASON} | more
    result: dict[str, Any] = await world.answer(DECIDE, operator, input=verdict)
    return result


async def judge(
    world: World, operator: Caller, case_id: UUID, decision: str = "DISMISS", **more: object
) -> dict[str, Any]:
    """The case, claimed and decided."""
    assert (await claim(world, operator, case_id))["__typename"] == "ClaimCaseSuccess"
    result = await decide(world, operator, case_id, decision, **more)
    assert result["__typename"] == "DecideCaseSuccess", result
    case: dict[str, Any] = result["case"]
    return case


async def stored(world: World, case_id: UUID) -> Case:
    """The case as it stands in the table."""
    case = await world.database.read(lambda uow: uow.cases.get(case_id))
    assert case is not None
    return case


async def entries(world: World, *actions: Action) -> list[AuditEntry]:
    """What the audit log has of these actions, the oldest first."""
    found = await world.database.read(lambda uow: uow.audit.entries(None, 1_000))
    return [entry for entry in reversed(found) if entry.action in actions]

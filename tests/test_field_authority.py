"""Who may ask for what: every root field of the API, and everything below that is not for everybody.

A field that is not in the tables fails here, and so does a rule of a field that is gone: whoever adds one says who may have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from domain.identity import Caller, OperatorRole, SessionScope
from domain.inbox import Position
from domain.safety.operators import remove_operator
from schema.api import schema
from schema.context import OPEN_FIELDS
from schema.cursors import inbox_cursor
from schema.execution.documents import Prepared
from tests.encoding import base64
from tests.streams import ENGINE, streaming, subscribe
from tests.waiting import DEADLINE
from tests.world import World

GRAPHQL = schema._schema


class Viewer(Enum):
    """Who asks."""

    NOBODY = "nobody"
    SUSPENDED = "an APPEAL_ONLY session"
    USER = "a user"
    MODERATOR = "a moderator"
    ADMIN = "an admin"


class Rule(Enum):
    """From whom on a field answers; those before get the code of `refusal`."""

    OPEN = Viewer.NOBODY
    SIGNED_IN = Viewer.SUSPENDED
    FULL = Viewer.USER
    MODERATOR = Viewer.MODERATOR
    ADMIN = Viewer.ADMIN


ORDER = list(Viewer)

ROOTS: Mapping[str, Mapping[str, Rule]] = {
    "Query": {
        "me": Rule.OPEN,
        "stats": Rule.OPEN,
        "myReports": Rule.SIGNED_IN,
        "exportMyData": Rule.SIGNED_IN,
        "ticket": Rule.FULL,
        "rooms": Rule.FULL,
        "room": Rule.FULL,
        "roomByInvite": Rule.FULL,
        "iceConfiguration": Rule.FULL,
        "messages": Rule.FULL,
        "keys": Rule.FULL,
        "cases": Rule.MODERATOR,
        "case": Rule.MODERATOR,
        "auditLog": Rule.ADMIN,
        "figures": Rule.MODERATOR,
    },
    "Mutation": {
        "signInAnonymously": Rule.OPEN,
        "signInOperator": Rule.OPEN,
        "refreshSession": Rule.OPEN,
        "signOut": Rule.SIGNED_IN,
        "deleteMyAccount": Rule.SIGNED_IN,
        "appealSuspension": Rule.SIGNED_IN,
        "updateProfile": Rule.FULL,
        "joinQueue": Rule.FULL,
        "leaveQueue": Rule.FULL,
        "skip": Rule.FULL,
        "createRoom": Rule.FULL,
        "joinRoom": Rule.FULL,
        "leaveRoom": Rule.FULL,
        "rotateInvite": Rule.FULL,
        "closeRoom": Rule.FULL,
        "sendSignal": Rule.FULL,
        "updatePresence": Rule.FULL,
        "muteMember": Rule.FULL,
        "unmuteMember": Rule.FULL,
        "kickMember": Rule.FULL,
        "promoteMember": Rule.FULL,
        "demoteMember": Rule.FULL,
        "sendMessage": Rule.FULL,
        "publishKeys": Rule.FULL,
        "addOneTimePreKeys": Rule.FULL,
        "claimKeyBundle": Rule.FULL,
        "blockUser": Rule.FULL,
        "unblockUser": Rule.FULL,
        "reportUser": Rule.FULL,
        "claimCase": Rule.MODERATOR,
        "decideCase": Rule.MODERATOR,
        "decideAppeal": Rule.MODERATOR,
        "liftSuspension": Rule.MODERATOR,
    },
    "Subscription": {
        "stats": Rule.OPEN,
        "events": Rule.FULL,
        "matchEvents": Rule.FULL,
        "signals": Rule.FULL,
        "presence": Rule.FULL,
        "messages": Rule.FULL,
        "keyEvents": Rule.FULL,
        "caseEvents": Rule.MODERATOR,
    },
}

OWN = frozenset(
    {"me", "signInAnonymously", "signInOperator", "refreshSession", "signOut", "updateProfile"},
)
"""Where people see their own account."""
JUDGING = frozenset(
    {"cases", "case", "claimCase", "decideCase", "decideAppeal", "caseEvents"},
)
PRIVATE: Mapping[str, frozenset[str]] = {
    # `CaseChanged` is an event, and so in the type of `events`; only operators are told of it.
    "Case": JUDGING | {"events"},
    "CaseReport": JUDGING | {"events"},
    "Evidence": JUDGING | {"events"},
    "LadderStep": JUDGING | {"events"},
    "FigurePoint": frozenset({"figures"}),
    "AuditEntry": frozenset({"auditLog"}),
    "User": OWN | JUDGING | {"auditLog", "events"},
    "Viewer": frozenset({"me"}),
}
"""By type that strangers must not see: the root fields from which it can be reached."""


BELOW: Mapping[str, Mapping[str, Rule]] = {
    "Case": dict.fromkeys(
        (
            "id",
            "subject",
            "status",
            "priority",
            "reports",
            "claimedBy",
            "claimExpiresAt",
            "decision",
            "reason",
            "decidedBy",
            "suspension",
            "appeal",
            "openedAt",
            "decidedAt",
            "suggestion",
        ),
        Rule.MODERATOR,
    ),
    "CaseReport": {
        "report": Rule.MODERATOR,
        "reporter": Rule.ADMIN,
        "weight": Rule.MODERATOR,
        "evidence": Rule.MODERATOR,
    },
    "Evidence": dict.fromkeys(("plaintext", "sentAt", "verified"), Rule.MODERATOR),
    "LadderStep": dict.fromkeys(("decision", "hours", "permanent"), Rule.MODERATOR),
    "AuditEntry": dict.fromkeys(("id", "at", "actor", "action", "target", "details"), Rule.ADMIN),
}
"""Fields of what only operators can reach, by whom each shows anything. `AuditEntry` is below a field for admins."""
PATHS: Mapping[str, tuple[str, tuple[str | int, ...]]] = {
    "Case": ("{ %s }", ()),
    "CaseReport": ("{ reports { edges { node { %s } } } }", ("reports", "edges", 0, "node")),
    "LadderStep": ("{ suggestion { %s } }", ("suggestion",)),
    "Evidence": (
        "{ reports { edges { node { evidence { %s } } } } }",
        ("reports", "edges", 0, "node", "evidence", 0),
    ),
}
"""From a case to the type."""
OF_DECIDED = frozenset(
    {"claimedBy", "claimExpiresAt", "decision", "reason", "decidedBy", "suspension", "appeal", "decidedAt", "hours"}
)
"""Null in a case that nobody has claimed yet, about somebody who was never warned."""


def refusal(rule: Rule, viewer: Viewer) -> str | None:
    """With which code the field refuses the viewer; None if it does not."""
    if ORDER.index(viewer) >= ORDER.index(rule.value):
        return None
    return "UNAUTHENTICATED" if viewer is Viewer.NOBODY else "FORBIDDEN"


def fields_of(root: str) -> Mapping[str, GraphQLField]:
    """The fields of an object type."""
    kind = GRAPHQL.type_map[root]
    assert isinstance(kind, GraphQLObjectType)
    fields: Mapping[str, GraphQLField] = kind.fields
    return fields


def some(kind: GraphQLInputType) -> Any:  # noqa: ANN401  # JSON
    """The least value that the schema takes for that type."""
    if isinstance(kind, GraphQLNonNull):
        return some(kind.of_type)
    if isinstance(kind, GraphQLList):
        return []
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        needed = [name for name, field in kind.fields.items() if is_required_input_field(field)]
        # Where nothing is, as in a `@oneOf`, the first.
        return {name: some(kind.fields[name].type) for name in needed or list(kind.fields)[:1]}
    return {
        "ID": str(uuid4()),
        "String": "text",
        "Int": 2,
        "Boolean": True,
        "Base64": base64(bytes(32)),
        "Cursor": inbox_cursor(Position(1, 1)),
        "DateTime": datetime.now(UTC).isoformat(),
    }[kind.name]


def asked(root: str, name: str) -> tuple[str, dict[str, Any]]:
    """The least operation that asks for the field, and its variables. A stream goes on behind a place that there never was, which
    it says at once: to those whom it lets in, who might else wait for ever.
    """
    field = fields_of(root)[name]
    needed: dict[str, GraphQLArgument] = {
        argument: about
        for argument, about in field.args.items()
        if is_required_argument(about) or (root == "Subscription" and argument == "after")
    }
    declared = ", ".join(f"${argument}: {about.type}" for argument, about in needed.items())
    passed = ", ".join(f"{argument}: ${argument}" for argument in needed)
    text = f"{root.lower()}{f'({declared})' if declared else ''} {{ {name}{f'({passed})' if passed else ''}"
    if is_composite_type(get_named_type(field.type)):
        text += " { __typename }"
    return text + " }", {argument: some(about.type) for argument, about in needed.items()}


async def caller(world: World, viewer: Viewer) -> Caller | None:
    """A new one of them."""
    match viewer:
        case Viewer.NOBODY:
            return None
        case Viewer.SUSPENDED:
            user = await world.user()
            await world.suspend(user)
            return replace(user, scope=SessionScope.APPEAL_ONLY)
        case Viewer.USER:
            return await world.user()
        case Viewer.MODERATOR:
            return await world.operator(OperatorRole.MODERATOR)
        case Viewer.ADMIN:
            return await world.operator(OperatorRole.ADMIN)


async def answered(world: World, root: str, name: str, who: Caller | None) -> str | None:
    """With which code the engine refuses the field, None if it answers."""
    text, variables = asked(root, name)
    prepared = ENGINE.documents.prepare(text)
    assert isinstance(prepared, Prepared), (text, prepared)
    if root == "Subscription":
        begun = await ENGINE.subscribe(prepared, variables, None, world.context(who))
        if isinstance(begun, AsyncGenerator):
            async with asyncio.timeout(DEADLINE):
                result = (await anext(begun)).result
            await begun.aclose()
        else:
            result = begun
    else:
        outcome = ENGINE.execute(prepared, variables, None, world.context(who))
        result = outcome if isinstance(outcome, dict) else await outcome
    codes = {error["extensions"]["code"] for error in result.get("errors", ())}
    assert not codes & {"INTERNAL_SERVER_ERROR", "GRAPHQL_VALIDATION_FAILED"}, (text, result)
    return next(iter(codes & {"UNAUTHENTICATED", "FORBIDDEN"}), None)


def reaching(target: str) -> frozenset[str]:
    """The root fields from which a value of that type can be had."""
    return frozenset(
        name
        for root in ROOTS
        for name, field in fields_of(root).items()
        if target in {kind.name for kind in reachable(field.type)}
    )


def reachable(start: GraphQLOutputType) -> Iterator[GraphQLObjectType]:
    """All object types below, by fields, members of unions and implementations of interfaces."""
    seen: set[str] = set()
    waiting = [get_named_type(start)]
    while waiting:
        kind = waiting.pop()
        if kind.name in seen:
            continue
        seen.add(kind.name)
        if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
            waiting += GRAPHQL.get_possible_types(kind)
        if isinstance(kind, GraphQLObjectType):
            yield kind
            waiting += [get_named_type(field.type) for field in kind.fields.values()]


@pytest.mark.parametrize("root", ROOTS)
def test_every_root_field_has_a_rule(root: str) -> None:
    """Nobody adds a field without having said who may ask for it."""
    assert set(fields_of(root)) == set(ROOTS[root])


def test_what_an_expired_token_does_no_harm_to_is_what_is_open() -> None:
    """The transport serves these beside a bad token; `me` is not among them, because its answer depends on who asks."""
    rules = [rule for fields in ROOTS.values() for rule in fields.items()]
    assert {name for name, rule in rules if rule is Rule.OPEN} - {"me"} == OPEN_FIELDS - {"__typename"}


@pytest.mark.parametrize("root", ROOTS)
async def test_every_root_field_answers_those_whom_its_rule_names_and_refuses_all_others(
    database_url: str, root: str
) -> None:
    """Each field is really asked, by each kind of viewer: authority is what the server does, not what a table says."""
    wrong = {}
    async with streaming(database_url) as world:
        for name in fields_of(root):
            for viewer in Viewer:
                said = await answered(world, root, name, await caller(world, viewer))
                if said != refusal(ROOTS[root][name], viewer):
                    wrong[name, viewer.value] = said
    assert wrong == {}


@pytest.mark.parametrize("target", PRIVATE)
def test_what_strangers_must_not_see_is_reached_from_where_it_is_meant_to_be(target: str) -> None:
    """A field that leads from a room to an account, or from a report to the case, would be seen by no other test."""
    assert reaching(target) == PRIVATE[target]


@pytest.mark.parametrize("target", BELOW)
def test_every_field_below_that_only_operators_see_has_a_rule(target: str) -> None:
    """What is added to a case is added for moderators, or for admins alone: whoever adds it says which."""
    assert set(fields_of(target)) == set(BELOW[target])


async def test_every_field_below_answers_those_whom_its_rule_names_and_is_null_to_all_others(database_url: str) -> None:
    """A moderator judges by what was said, and does not learn who reported; an admin does, which is on record."""
    wrong = {}
    async with streaming(database_url) as world:
        subject, reporter = await world.people(2)
        case_id = await world.case_about(subject, reporter, said=("an insult",))
        for viewer in (Viewer.MODERATOR, Viewer.ADMIN):
            who = await caller(world, viewer)
            for target in PATHS:
                for name, rule in BELOW[target].items():
                    shown = await seen_below(world, who, case_id, target, name)
                    if shown is not (ORDER.index(viewer) >= ORDER.index(rule.value)) and name not in OF_DECIDED:
                        wrong[target, name, viewer.value] = shown
    assert wrong == {}


async def seen_below(world: World, who: Caller | None, case_id: UUID, target: str, name: str) -> bool:
    """Whether the field of the case, of its report, or of what was disclosed with it, is anything but null."""
    kind = get_named_type(fields_of(target)[name].type)
    field = f"{name} {{ __typename }}" if is_composite_type(kind) else name
    value = (await world.ask(f'{{ case(id: "{case_id}") {PATHS[target][0] % field} }}', who)).data
    for step in ("case", *PATHS[target][1], name):
        value = value[step]
    return value is not None


async def test_whoever_is_no_operator_any_more_is_told_of_no_case(database_url: str) -> None:
    """Neither in a stream that goes on until the socket closes, nor in one that begins behind what a moderator was told."""
    events = "subscription($after: Cursor) { events(after: $after) { __typename cursor } }"
    claim = "mutation($id: ID!) { claimCase(input: {caseId: $id}) { __typename } }"
    async with streaming(database_url) as world:
        olive, otto = await world.operator(), await world.operator()
        stream = await subscribe(world, olive, events)
        begun = (await stream.next())["cursor"]
        for told in (True, False):
            case_id = await world.case_about(await world.person())
            assert (await world.answer(claim, otto, id=str(case_id)))["__typename"] == "ClaimCaseSuccess"
            if told:
                assert (await stream.next())["__typename"] == "CaseChanged"
                await remove_operator(world.database.transact, uuid4, olive.user_id, now=world.clock())
        assert await stream.quiet()
        for field in (events, events.replace("events(", "caseEvents(").replace("cursor }", "}")):
            late = await subscribe(world, olive, field, after=begun)
            assert await late.failed() == "UNAUTHENTICATED"

"""Documents are parsed and validated once, and no document may make that expensive.

Validation is 802 of the 1,400 µs of a small stock mutation, so a prepared document is kept and found again by its
text. The order of the checks is the defence: length and tokens bound the parser, one linear walk bounds depth,
aliases, directives and fields with fragments expanded, and only then run the specified rules, some of which are
quadratic.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import NoSchemaIntrospectionCustomRule

from schema.execution.cost import Cost, costs
from schema.execution.errors import failure, said
from schema.execution.lru import Lru, SegmentedLru
from schema.execution.measure import DOCUMENT_LIMITS, DocumentLimits, check, heaviest, over
from schema.execution.plan import Plans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLSchema

MAX_ERRORS = 5
"""Errors reported for one document: a person mends them one by one, and each costs us work."""

BYTES_PER_DOCUMENT, BYTES_PER_CHARACTER = 32 * 1024, 400
"""At most what a prepared document holds in memory with its plans: so much, and so much for each character of its text. Measured:
the smallest hold 11 KiB; beyond 24 KiB a character takes 62 to 115 bytes without plans, and 325 at worst, with all that `Plans`
keeps of many operations, or of two conditions. 64 MiB of the worst took 59 MiB of the process."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A valid document. `operations` gives the kind of each operation by its name; an anonymous one is named None."""

    document: DocumentNode
    operations: Mapping[str | None, OperationType]
    weight: int = 1
    """Fields of its own that the operation has, of several operations the one with the most: what rates count."""
    paged: Mapping[str | None, Cost] = field(default_factory=dict)
    """What those operations cost whose variables decide it; all others were found cheap enough."""
    plans: Plans = field(init=False)
    """How its operations run, made when they first do."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plans", Plans(self.document))

    def kind(self, operation_name: str | None) -> OperationType | None:
        """Which kind of operation a request means, or None if it names none (execution then says what is wrong)."""
        if operation_name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        return self.operations.get(operation_name)

    def asks_only(self, operation_name: str | None, fields: frozenset[str]) -> bool:
        """Whether the operation selects no other root fields than these, and selects them directly."""
        return any(
            isinstance(definition, OperationDefinitionNode)
            and (operation_name is None or (definition.name is not None and definition.name.value == operation_name))
            and all(
                isinstance(selected, FieldNode) and selected.name.value in fields
                for selected in definition.selection_set.selections
            )
            for definition in self.document.definitions
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rejected:
    """A document that will never run. `errors` are formatted as the GraphQL specification has it, with
    `extensions.code`.
    """

    errors: list[dict[str, object]]
    limit: str | None = None
    """The limit that it is above, if that is why."""


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A document that is to be prepared first."""

    text: str
    digest: str | None = None
    """Under which it is to be kept (`PersistedQueries`)."""


class Documents:
    """A bounded store of prepared documents.

    Valid documents live in a segmented LRU: one that was asked for once cannot push out one that was asked for twice.
    Rejected ones live in a small store of their own and push out nothing but each other. `hits`, `misses`,
    `characters` (of misses), `rejections` and `refusals` (rejections by limit) count since the start; they and `entries`
    and `bytes` may be read at any time.
    """

    def __init__(
        self, schema: GraphQLSchema, limits: DocumentLimits | None = None, *, introspection: bool = True
    ) -> None:
        self._schema = schema
        self._limits = limits or DocumentLimits()
        self._hide_suggestions = not introspection
        # Built once: a rule made per request would be a new class each time.
        self._rules = specified_rules if introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        self._prepared: SegmentedLru[Prepared] = SegmentedLru(self._limits.cache_entries, self._limits.cache_bytes)
        self._rejected: Lru[Rejected] = Lru(256, 256 * 1024)
        self.hits = 0
        self.misses = 0
        self.rejections = 0
        self.characters = 0
        self.refusals: Counter[str] = Counter(dict.fromkeys(DOCUMENT_LIMITS, 0))

    @property
    def entries(self) -> int:
        """How many valid documents are kept."""
        return len(self._prepared)

    @property
    def bytes(self) -> int:
        """What the valid documents are estimated to hold in memory."""
        return self._prepared.weight

    def prepare(self, text: str) -> Prepared | Rejected:
        """The document, ready to run, or why it is not; never raises, whatever the text.

        Takes at most some tens of milliseconds for the most hostile text (`tests/test_documents.py` holds it to that).
        """
        known = self.find(text)
        return self._made(text) if known is None else known

    def find(self, text: str) -> Prepared | Rejected | None:
        """The document if that takes no time: it is known, or too long to be looked at. Else None."""
        prepared = self._prepared.get(text)
        if prepared is not None:
            self.hits += 1
            return prepared
        rejected = self._rejected.get(text)
        if rejected is not None:
            self._missed(text)
            return self._counted(rejected)
        return None if len(text) <= self._limits.length else self._made(text)

    def _made(self, text: str) -> Prepared | Rejected:
        self._missed(text)
        outcome = self._prepare(text)
        if isinstance(outcome, Prepared):
            self._prepared.put(text, outcome, BYTES_PER_DOCUMENT + len(text) * BYTES_PER_CHARACTER)
            return outcome
        self._rejected.put(text, outcome, len(text))
        return self._counted(outcome)

    def _missed(self, text: str) -> None:
        self.misses += 1
        self.characters += min(len(text), self._limits.length)

    def affordable(
        self, prepared: Prepared, operation_name: str | None, variables: dict[str, Any] | None
    ) -> Rejected | None:
        """Why the operation costs too much with these variables; None when it may run. Does nothing for most documents."""
        if not prepared.paged:
            return None
        if operation_name is None and len(prepared.operations) == 1:
            (operation_name,) = prepared.operations
        cost = prepared.paged.get(operation_name)
        if cost is None or (found := cost.of(variables)) <= self._limits.cost:
            return None
        message = f"The operation costs {found} with these variables, and {self._limits.cost} is the most."
        numbers = over("cost", self._limits.cost, cost=found)
        return self._counted(Rejected([failure("BAD_USER_INPUT", message, **numbers)], "cost"))

    def _counted(self, rejected: Rejected) -> Rejected:
        self.rejections += 1
        if rejected.limit is not None:
            self.refusals[rejected.limit] += 1
        return rejected

    def _prepare(self, text: str) -> Prepared | Rejected:
        try:
            document = parse(
                text,
                max_lexical_tokens=self._limits.tokens,
                max_comments=self._limits.tokens,
                max_source_length=self._limits.length,
            )
        except GraphQLError as error:
            for limit, maximum, words in (
                ("length", self._limits.length, "Source contains more than"),
                ("tokens", self._limits.tokens, "Document contains more than"),
            ):
                if words in error.message:
                    error.extensions = over(limit, maximum)
            return _rejected([error], "GRAPHQL_PARSE_FAILED")
        too_large = check(document, self._limits)
        if too_large is not None:
            return _rejected([too_large], "GRAPHQL_VALIDATION_FAILED")
        errors = validate(
            self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
        )
        if errors:
            return _rejected(errors[:MAX_ERRORS], "GRAPHQL_VALIDATION_FAILED")
        known = costs(self._schema, document)
        most = max((cost.fixed for cost in known.values() if not cost.pages), default=0)
        if most > self._limits.cost:
            message = f"The operation costs {most}, and {self._limits.cost} is the most."
            expensive = GraphQLError(message, extensions=over("cost", self._limits.cost, cost=most))
            return _rejected([expensive], "GRAPHQL_VALIDATION_FAILED")
        return Prepared(
            document,
            {
                definition.name.value if definition.name else None: definition.operation
                for definition in document.definitions
                if isinstance(definition, OperationDefinitionNode)
            },
            heaviest(document),
            {name: cost for name, cost in known.items() if cost.pages},
        )


def _rejected(errors: list[GraphQLError], code: str) -> Rejected:
    formatted: list[dict[str, object]] = []
    for error in errors:
        entry: dict[str, object] = {"message": said(error.message)}
        if error.locations:
            # A conflict of two thousand fields would name them all.
            entry["locations"] = [location.formatted for location in error.locations[:MAX_ERRORS]]
        entry["extensions"] = {"code": code, **(error.extensions or {})}
        formatted.append(entry)
    return Rejected(formatted, (errors[0].extensions or {}).get("limit"))

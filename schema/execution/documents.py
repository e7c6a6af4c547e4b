"""Documents are parsed and validated once, and no document may make that expensive.

Validation is 802 of the 1,400 µs of a small stock mutation, so a prepared document is kept and found again by its
text. The order of the checks is the defence: length and tokens bound the parser, one linear walk bounds depth,
aliases, directives and fields with fragments expanded, and only then run the specified rules, some of which are
quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

from schema.execution.lru import Lru, SegmentedLru
from schema.execution.measure import DocumentLimits, check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLSchema

MAX_ERRORS = 5
"""Errors reported for one document: a person mends them one by one, and each costs us work."""

BYTES_PER_CHARACTER = 120
"""What a prepared document holds in memory for each character of its text at most (measured: 62 to 115)."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A valid document. `operations` gives the kind of each operation by its name; an anonymous one is named None."""

    document: DocumentNode
    operations: Mapping[str | None, OperationType]

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


class Documents:
    """A bounded store of prepared documents.

    Valid documents live in a segmented LRU: one that was asked for once cannot push out one that was asked for twice.
    Rejected ones live in a small store of their own and push out nothing but each other. `hits`, `misses` and
    `rejections` count since the start; they and `entries` and `bytes` may be read at any time.
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
        prepared = self._prepared.get(text)
        if prepared is not None:
            self.hits += 1
            return prepared
        self.misses += 1
        known = self._rejected.get(text)
        if known is not None:
            self.rejections += 1
            return known
        outcome = self._prepare(text)
        if isinstance(outcome, Prepared):
            self._prepared.put(text, outcome, len(text) * BYTES_PER_CHARACTER)
        else:
            self.rejections += 1
            self._rejected.put(text, outcome, len(text))
        return outcome

    def _prepare(self, text: str) -> Prepared | Rejected:
        try:
            document = parse(
                text,
                max_lexical_tokens=self._limits.tokens,
                max_comments=self._limits.tokens,
                max_source_length=self._limits.length,
            )
        except GraphQLError as error:
            return _rejected([error], "GRAPHQL_PARSE_FAILED")
        too_large = check(document, self._limits)
        if too_large is not None:
            return _rejected([too_large], "GRAPHQL_VALIDATION_FAILED")
        errors = validate(
            self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
        )
        if errors:
            return _rejected(errors[:MAX_ERRORS], "GRAPHQL_VALIDATION_FAILED")
        return Prepared(
            document,
            {
                definition.name.value if definition.name else None: definition.operation
                for definition in document.definitions
                if isinstance(definition, OperationDefinitionNode)
            },
        )


def _rejected(errors: list[GraphQLError], code: str) -> Rejected:
    formatted: list[dict[str, object]] = []
    for error in errors:
        entry: dict[str, object] = {"message": error.message}
        if error.locations:
            # A conflict of two thousand fields would name them all.
            entry["locations"] = [location.formatted for location in error.locations[:MAX_ERRORS]]
        entry["extensions"] = {"code": code}
        formatted.append(entry)
    return Rejected(formatted)

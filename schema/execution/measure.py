"""How large a document is, found in one linear walk, before any rule that is not linear sees it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a document may hold. Fields, aliases and directives are counted with fragments expanded, as execution has
    it.
    """

    length: int = 64 * 1024
    """Characters."""
    tokens: int = 2_000
    depth: int = 15
    """Nested fields; what is below `__schema` and `__type` is bounded by a specified rule instead."""
    roots: int = 16
    """Fields of the operation itself, each under another name: each is a use case, and all their results are held at once."""
    fields: int = 1_000
    aliases: int = 50
    directives: int = 50
    definitions: int = 50
    """Operations and fragments."""
    merges: int = 10_000
    """Pairs of fields with the same response name in one place, 5 µs each: the quadratic part of validation. One field
    may be repeated 141 times."""
    cost: int = 5_000
    """Objects, as `schema/execution/cost.py` counts them: fifty times what a front end asks for at once."""
    cache_entries: int = 1_000
    cache_bytes: int = 64 * 1024 * 1024


DOCUMENT_LIMITS = tuple(field.name for field in fields(DocumentLimits) if not field.name.startswith("cache_"))
"""The names by which refusals are told and counted."""


@dataclass(frozen=True, slots=True)
class Size:
    """The extent of a selection set, with its fragments expanded."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0


class _Refused(Exception):
    def __init__(self, message: str, node: Node | None = None, *, limit: str | None = None, maximum: int = 0) -> None:
        super().__init__(message)
        self.error = GraphQLError(message, node, extensions=over(limit, maximum) if limit else None)


def over(limit: str, maximum: int, **numbers: int) -> dict[str, Any]:
    """What `extensions` tell of a refusal: which limit, and how much it is."""
    return {"limit": limit, "maximum": maximum, **numbers}


def check(document: DocumentNode, limits: DocumentLimits) -> GraphQLError | None:
    """Why the document is too large, or not one that can be run; None when the specified rules may have it."""
    try:
        _check(document, limits)
    except _Refused as refused:
        return refused.error
    return None


def heaviest(document: DocumentNode) -> int:
    """Under how many different names an operation of a valid document selects fields of its own, at most."""
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    measure = _Measure(fragments)
    return max(
        measure.roots(definition)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    )


def _check(document: DocumentNode, limits: DocumentLimits) -> None:
    if len(document.definitions) > limits.definitions:
        raise _Refused(
            f"The document has more than {limits.definitions} operations and fragments.",
            limit="definitions",
            maximum=limits.definitions,
        )
    fragments: dict[str, FragmentDefinitionNode] = {}
    operations: list[OperationDefinitionNode] = []
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            operations.append(definition)
        elif not isinstance(definition, FragmentDefinitionNode):
            raise _Refused("Only operations can be run, and this defines a type.", definition)
        elif definition.name.value in fragments:
            raise _Refused(f"There can be only one fragment named '{definition.name.value}'.", definition)
        else:
            fragments[definition.name.value] = definition
    measure = _Measure(fragments)
    for name in fragments:
        measure.fragment(name)
    for operation in operations:
        _check_operation(operation, measure, limits)
    for name, fragment in fragments.items():
        if name not in measure.reached:
            raise _Refused(f"Fragment '{name}' is never used.", fragment)


def _check_operation(operation: OperationDefinitionNode, measure: _Measure, limits: DocumentLimits) -> None:
    size = measure.selections(operation.selection_set)
    own = len(operation.directives or ()) + sum(
        len(variable.directives or ()) for variable in operation.variable_definitions or ()
    )
    for name, what, count, limit in (
        ("depth", "levels", size.depth, limits.depth),
        ("roots", "fields of its own", measure.roots(operation), limits.roots),
        ("fields", "fields", size.fields, limits.fields),
        ("aliases", "aliases", size.aliases, limits.aliases),
        ("directives", "directives", size.directives + own, limits.directives),
    ):
        if count > limit:
            raise _Refused(f"The operation has more than {limit} {what}.", operation, limit=name, maximum=limit)
    if measure.pairs(operation) > limits.merges:
        raise _Refused(
            "The operation selects the same fields again too often.", operation, limit="merges", maximum=limits.merges
        )


class _Measure:
    """The walk. Recursion is bounded: by the parser within a definition, by the limit on definitions between them."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._sizes: dict[str, Size] = {}
        self._open: set[str] = set()
        self.reached: set[str] = set()

    def fragment(self, name: str) -> Size:
        known = self._sizes.get(name)
        if known is not None:
            return known
        definition = self._fragments.get(name)
        if definition is None:
            return Size()  # the specified rules say so better
        if name in self._open:
            raise _Refused(f"Cannot spread fragment '{name}' within itself.", definition)
        self._open.add(name)
        size = self.selections(definition.selection_set)
        self._open.discard(name)
        self._sizes[name] = size
        return size

    def selections(self, selection_set: SelectionSetNode) -> Size:
        depth = fields = aliases = directives = 0
        for node in selection_set.selections:
            directives += len(node.directives or ())
            level, inner = 0, Size()
            if isinstance(node, FieldNode):
                fields += 1
                aliases += node.alias is not None
                level = 1
                inner = self.selections(node.selection_set) if node.selection_set else inner
                if node.name.value in {"__schema", "__type"}:
                    level = -inner.depth
            elif isinstance(node, FragmentSpreadNode):
                inner = self.fragment(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                inner = self.selections(node.selection_set)
            depth = max(depth, level + inner.depth)
            fields += inner.fields
            aliases += inner.aliases
            directives += inner.directives
        return Size(depth, fields, aliases, directives)

    def roots(self, operation: OperationDefinitionNode) -> int:
        """Under how many different names the operation selects fields of its own."""
        return len({(node.alias or node.name).value for node in self._fields([operation.selection_set])})

    def pairs(self, operation: OperationDefinitionNode) -> int:
        """Pairs of fields with the same response name, over an operation whose expanded fields were counted before."""
        pairs = 0
        places = [[operation.selection_set]]
        while places:
            below: dict[str, list[SelectionSetNode]] = {}
            for node in self._fields(places.pop()):
                name = (node.alias or node.name).value
                same = below.setdefault(name, [])
                pairs += len(same)
                same.append(node.selection_set or _EMPTY)
            places.extend(below.values())
        return pairs

    def _fields(self, sets: list[SelectionSetNode]) -> Iterator[FieldNode]:
        """The fields of one place, through fragments, each fragment once: as execution collects them."""
        seen: set[str] = set()
        while sets:
            for node in sets.pop().selections:
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, InlineFragmentNode):
                    sets.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                    seen.add(node.name.value)
                    if node.name.value in self._fragments:
                        sets.append(self._fragments[node.name.value].selection_set)
        self.reached |= seen


_EMPTY = SelectionSetNode(selections=())

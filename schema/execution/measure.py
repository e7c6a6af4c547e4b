"""How large a document is, found in one linear walk, before any rule that is not linear sees it."""

from __future__ import annotations

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a document may hold. Fields, aliases and directives are counted with fragments expanded, as execution meets them."""

    length: int = 64 * 1024
    """Characters."""
    tokens: int = 2_000
    depth: int = 15
    """Nested fields; what is below `__schema` and `__type` is bounded by a specified rule instead."""
    fields: int = 1_000
    aliases: int = 50
    directives: int = 50
    definitions: int = 50
    """Operations and fragments."""
    merges: int = 10_000
    """Pairs of fields with the same response name in one place: the quadratic part of validation, 5 µs each. A field may
    be repeated 141 times."""
    cache_entries: int = 1_000
    cache_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Size:
    """The extent of a selection set, with its fragments expanded."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0


class _Refused(Exception):  # noqa: N818 - it carries an error, it is not one
    def __init__(self, error: GraphQLError) -> None:
        super().__init__()
        self.error = error


def check(document: DocumentNode, limits: DocumentLimits) -> GraphQLError | None:
    """Why the document is too large, or not one that can be run; None when the specified rules may have it."""
    definitions = document.definitions
    if len(definitions) > limits.definitions:
        return GraphQLError(f"The document has more than {limits.definitions} operations and fragments.")
    fragments: dict[str, FragmentDefinitionNode] = {}
    for definition in definitions:
        if isinstance(definition, FragmentDefinitionNode):
            if definition.name.value in fragments:
                return GraphQLError(f"There can be only one fragment named '{definition.name.value}'.", definition.name)
            fragments[definition.name.value] = definition
        elif not isinstance(definition, OperationDefinitionNode):
            return GraphQLError(
                "Only operations and fragments can be run: this is a type system definition.", definition
            )
    try:
        measure = _Measure(fragments)
        for name in fragments:
            measure.fragment(name)
        for definition in definitions:
            if isinstance(definition, OperationDefinitionNode):
                size = measure.selections(definition.selection_set)
                own = len(definition.directives or ()) + sum(
                    len(variable.directives or ()) for variable in definition.variable_definitions or ()
                )
                for what, count, limit in (
                    ("levels", size.depth, limits.depth),
                    ("fields", size.fields, limits.fields),
                    ("aliases", size.aliases, limits.aliases),
                    ("directives", size.directives + own, limits.directives),
                ):
                    if count > limit:
                        return GraphQLError(f"The operation has more than {limit} {what}.", definition)
                measure.merges(definition, limits.merges)
        for name in fragments:
            if name not in measure.reached:
                return GraphQLError(f"Fragment '{name}' is never used.", fragments[name])
    except _Refused as refused:
        return refused.error
    return None


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
            raise _Refused(GraphQLError(f"Cannot spread fragment '{name}' within itself.", definition))
        self._open.add(name)
        size = self.selections(definition.selection_set)
        self._open.discard(name)
        self._sizes[name] = size
        return size

    def selections(self, selection_set: SelectionSetNode) -> Size:
        depth = fields = aliases = directives = 0
        for node in selection_set.selections:
            directives += len(node.directives or ())
            level = 0
            if isinstance(node, FieldNode):
                fields += 1
                aliases += node.alias is not None
                level = 1
                inner = self.selections(node.selection_set) if node.selection_set else Size()
                if node.name.value in {"__schema", "__type"}:
                    level = -inner.depth
            elif isinstance(node, FragmentSpreadNode):
                inner = self.fragment(node.name.value)
            else:
                inner = self.selections(node.selection_set)
            depth = max(depth, level + inner.depth)
            fields += inner.fields
            aliases += inner.aliases
            directives += inner.directives
        return Size(depth, fields, aliases, directives)

    def merges(self, operation: OperationDefinitionNode, limit: int) -> None:
        """Refuse an operation with more pairs of fields to merge; its expanded fields have been counted before."""
        pairs = 0
        places = [[operation.selection_set]]
        while places:
            by_name: dict[str, list[SelectionSetNode]] = {}
            counts: dict[str, int] = {}
            seen: set[str] = set()
            sets = places.pop()
            while sets:
                for node in sets.pop().selections:
                    if isinstance(node, FieldNode):
                        name = (node.alias or node.name).value
                        pairs += counts.get(name, 0)
                        counts[name] = counts.get(name, 0) + 1
                        if node.selection_set:
                            by_name.setdefault(name, []).append(node.selection_set)
                    elif isinstance(node, FragmentSpreadNode):
                        fragment = self._fragments.get(node.name.value)
                        if fragment is not None and node.name.value not in seen:
                            seen.add(node.name.value)
                            sets.append(fragment.selection_set)
                    else:
                        sets.append(node.selection_set)
            self.reached |= seen
            if pairs > limit:
                raise _Refused(GraphQLError("The operation selects the same fields again too often.", operation))
            places.extend(by_name.values())

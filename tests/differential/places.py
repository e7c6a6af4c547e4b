"""What one place of a response holds, so that generated fields of one name can be merged (GraphQL 5.3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphql import (
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    is_leaf_type,
)


@dataclass(slots=True)
class Entry:
    """Fields under one response name: on which types, which field with which arguments, and what is below."""

    shape: str
    chosen: dict[str, tuple[str, str]] = field(default_factory=dict)
    abstract: set[str] = field(default_factory=set)
    below: Place = field(default_factory=dict)

    def overlapping(self, parent: GraphQLNamedType) -> list[tuple[str, str]]:
        """The fields that can meet one of the parent's; only two object types never do."""
        return [
            chosen
            for name, chosen in self.chosen.items()
            if name == parent.name or name in self.abstract or not isinstance(parent, GraphQLObjectType)
        ]

    def add(self, parent: GraphQLNamedType, name: str, arguments: str) -> None:
        """A field of this name is selected on `parent`."""
        self.chosen[parent.name] = (name, arguments)
        if not isinstance(parent, GraphQLObjectType):
            self.abstract.add(parent.name)


Place = dict[str, Entry]
"""By response name."""


def shape(type_: GraphQLOutputType) -> str:
    """Types of one shape may stand under one name: the same leaf, or anything with fields, wrapped the same way."""
    named = get_named_type(type_)
    return str(type_) if is_leaf_type(named) else str(type_).replace(named.name, "*")


def fits(place: Place, other: Place) -> bool:
    """Whether all of `other` may be selected where `place` is. Stricter than the rule where that is simpler."""
    for name, theirs in other.items():
        ours = place.get(name)
        if ours is None:
            continue
        if ours.shape != theirs.shape:
            return False
        for parent, chosen in theirs.chosen.items():
            for own_parent, own in ours.chosen.items():
                apart = own_parent != parent and own_parent not in ours.abstract and parent not in theirs.abstract
                if own != chosen and not apart:
                    return False
        if not fits(ours.below, theirs.below):
            return False
    return True


def absorb(place: Place, other: Place) -> None:
    """Select all of `other` in `place`, which it fits."""
    for name, theirs in other.items():
        ours = place.setdefault(name, Entry(theirs.shape))
        ours.chosen.update(theirs.chosen)
        ours.abstract |= theirs.abstract
        absorb(ours.below, theirs.below)

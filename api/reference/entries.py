"""What a page says of one type, field, argument or value: its anchor, what it is, and where else it is met."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
    print_ast,
)
from graphql.utilities.get_default_value_ast import get_default_value_ast

from api.reference.examples import example
from api.reference.markup import Html, join, line, prose, summary, tag
from api.reference.places import used_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphql import (
        GraphQLArgument,
        GraphQLDirective,
        GraphQLEnumValue,
        GraphQLField,
        GraphQLInputField,
        GraphQLNamedType,
        GraphQLType,
    )

    from api.reference.places import Places

FEW = 8
"""Links to where a type is met; more are folded away."""
FIELDS = "Fields"
IMPLEMENTED = "Implemented by"
WHOLE = frozenset({FIELDS, IMPLEMENTED})
"""Lists that are never folded away: they are what an entry is about."""
EVERYWHERE = frozenset({"ID", "String", "Int", "Float", "Boolean"})
"""Where these are met says nothing."""


class Entries:
    """Writes entries. With `graphiql` an example has a link that opens it there."""

    def __init__(self, places: Places, *, graphiql: bool) -> None:
        self._places = places
        self._schema = places.schema
        self._users = used_by(places.schema)
        self._graphiql = graphiql

    def operation(self, kind: str, name: str) -> Html:
        """A root field, with the types that are its own."""
        root = self._places.roots[kind]
        field = root.fields[name]
        coordinate = f"{root.name}.{name}"
        given = join((join((f"{key}: ", self._type(its.type))) for key, its in field.args.items()), ", ")
        brackets = ("(", given, ")") if given else ()
        own = [self._schema.type_map[each] for each, owner in self._places.owned.items() if owner == coordinate]
        return tag(
            "article",
            _heading("h3", coordinate, name, kind),
            tag("p", tag("code", name, *brackets, ": ", self._type(field.type)), class_="signature"),
            self._told(field),
            self._arguments(coordinate, field.args),
            self._example(kind, root, name),
            *(self.type(each, "h4") for each in own),
            class_="entry",
        )

    def type(self, kind: GraphQLNamedType, level: str = "h3") -> Html:
        """A type, with everything in it; under `h4` one that stands with the only operation that mentions it."""
        own = level == "h4"
        return tag(
            "section" if own else "article",
            _heading(level, kind.name, kind.name, label(kind)),
            prose(kind.description, self._places.told),
            self._nature(kind),
            self._content(kind),
            Html() if own else self._relations(kind),
            class_="own" if own else "entry",
        )

    def directive(self, its: GraphQLDirective) -> Html:
        """A directive, with its arguments."""
        places = ", ".join(place.name.replace("_", " ").lower() for place in its.locations)
        return tag(
            "article",
            _heading("h3", f"@{its.name}", f"@{its.name}", "directive"),
            prose(its.description, self._places.told),
            tag("p", "May stand at: ", places, ".", class_="note"),
            self._arguments(f"@{its.name}", its.args),
            class_="entry",
        )

    def link(self, coordinate: str, text: str | None = None) -> Html:
        """To any piece of the schema."""
        return tag("a", tag("code", text or coordinate), href=self._places.href(coordinate))

    def _type(self, kind: GraphQLType) -> Html:
        name = get_named_type(kind).name
        before, _, after = str(kind).partition(name)
        return join((before, tag("a", name, href=self._places.href(name)), after))

    def _nature(self, kind: GraphQLNamedType) -> Html:
        """What its kind of type has to say about it."""
        if isinstance(kind, GraphQLInputObjectType) and kind.is_one_of:
            return tag("p", "Takes exactly one of its fields (", self.link("@oneOf"), ").", class_="note")
        if isinstance(kind, GraphQLScalarType) and kind.specified_by_url:
            url = kind.specified_by_url
            shown = tag("a", url, href=url) if url.startswith("https://") else url
            return tag("p", "Specified by ", shown, ".", class_="note")
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and kind.interfaces:
            return self._links("Implements", [each.name for each in kind.interfaces])
        return Html()

    def _content(self, kind: GraphQLNamedType) -> Html:
        if kind in self._places.roots.values():
            return self._links(FIELDS, [f"{kind.name}.{name}" for name in getattr(kind, "fields", {})])
        if isinstance(kind, GraphQLUnionType):
            rows = (self._row(self.link(each.name), line(summary(each.description), _unlinked)) for each in kind.types)
            return tag("dl", *rows, class_="members")
        if isinstance(kind, GraphQLEnumType):
            return tag("dl", *(self._value(f"{kind.name}.{name}", name, its) for name, its in kind.values.items()))
        if isinstance(kind, GraphQLInputObjectType):
            return self._arguments(kind.name, kind.fields)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            return tag("dl", *(self._field(f"{kind.name}.{name}", name, its) for name, its in kind.fields.items()))
        return Html()

    def _field(self, coordinate: str, name: str, its: GraphQLField) -> Html:
        head = join((_permalink(coordinate, name), ": ", self._type(its.type)))
        return self._row(tag("code", head), self._told(its), self._arguments(coordinate, its.args), id=coordinate)

    def _value(self, coordinate: str, name: str, its: GraphQLEnumValue) -> Html:
        return self._row(tag("code", _permalink(coordinate, name)), self._told(its), id=coordinate)

    def _arguments(self, owner: str, given: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField]) -> Html:
        """Arguments, or the fields of an input."""
        if not given:
            return Html()
        rows: list[Html] = []
        for name, its in given.items():
            default = get_default_value_ast(its)
            written = join((" = ", print_ast(default))) if default else Html()
            head = join((_permalink(f"{owner}.{name}", name), ": ", self._type(its.type), written))
            rows.append(self._row(tag("code", head), self._told(its), id=f"{owner}.{name}"))
        return tag("dl", *rows, class_="arguments")

    @staticmethod
    def _row(head: Html, *body: Html, id: str | None = None) -> Html:
        return tag("div", tag("dt", head), tag("dd", *body), id=id)

    def _told(self, its: GraphQLField | GraphQLArgument | GraphQLInputField | GraphQLEnumValue) -> Html:
        """The description, under what is said of a deprecation."""
        told = prose(its.description, self._places.told)
        if its.deprecation_reason is None:
            return told
        reason = line(its.deprecation_reason, self._places.told)
        return join((tag("p", tag("strong", "Deprecated."), " ", reason, class_="deprecated"), told))

    def _relations(self, kind: GraphQLNamedType) -> Html:
        if kind.name in EVERYWHERE:
            return Html()
        found: dict[str, list[str]] = {}
        for user in self._users[kind.name]:
            found.setdefault(self._relation(user), []).append(user)
        return join(self._links(relation, users) for relation, users in found.items())

    def _relation(self, user: str) -> str:
        owner, *rest = user.split(".")
        its = self._schema.type_map.get(owner)
        if len(rest) > 1 or isinstance(its, GraphQLInputObjectType) or user.startswith("@"):
            return "Taken by"
        if rest:
            return "Returned by"
        return "Member of" if isinstance(its, GraphQLUnionType) else IMPLEMENTED

    def _links(self, title: str, coordinates: Iterable[str]) -> Html:
        links = [self.link(each, each.partition(".")[2] if title == FIELDS else None) for each in coordinates]
        if len(links) <= FEW or title in WHOLE:
            return tag("p", tag("span", title, class_="title"), " ", join(links, " "), class_="relation")
        head = tag("summary", tag("span", title, class_="title"), f" {len(links)} places")
        return tag("details", head, tag("p", join(links, " ")), class_="relation")

    def _example(self, kind: str, root: GraphQLObjectType, name: str) -> Html:
        made = example(self._schema, kind, root, name)
        shown = [tag("pre", tag("code", made.query))]
        if made.variables:
            shown += [tag("p", "Variables", class_="title"), tag("pre", tag("code", made.variables))]
        if self._graphiql:
            given = {"query": made.query} | ({"variables": made.variables} if made.variables else {})
            shown.append(tag("p", tag("a", "Open in GraphiQL", href=f"/graphiql?{urlencode(given)}", class_="button")))
        return tag("details", tag("summary", "Example"), *shown, class_="example")


def label(kind: GraphQLNamedType) -> str:
    """What a front-end developer calls it."""
    if isinstance(kind, GraphQLObjectType):
        names = [interface.name for interface in kind.interfaces]
        return "event" if "Event" in names else "error" if "UserError" in names else "type"
    kinds = {
        GraphQLInterfaceType: "interface",
        GraphQLUnionType: "union",
        GraphQLInputObjectType: "input",
        GraphQLEnumType: "enum",
    }
    return next((word for its, word in kinds.items() if isinstance(kind, its)), "scalar")


def _heading(level: str, anchor: str, name: str, kind: str) -> Html:
    return tag(level, _permalink(anchor, name), " ", tag("span", kind, class_=f"kind {kind}"), id=anchor)


def _permalink(anchor: str, name: str) -> Html:
    return tag("a", name, href=f"#{anchor}", class_="name")


def _unlinked(_: str) -> None:
    """Within an overview only the names lead somewhere."""

"""The pages of the reference, and what they need: style, script and the names to search."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from graphql import GraphQLDirective, build_schema, is_introspection_type

from api.reference.conventions import CONVENTIONS
from api.reference.entries import Entries, label
from api.reference.markup import Html, join, line, prose, summary, tag
from api.reference.parts import PARTS
from api.reference.places import ROOT, Places, members
from api.reference.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from graphql import GraphQLNamedType

    from api.reference.parts import Part

ASSETS = f"{ROOT}/assets/"
"""Names under it carry a hash of what is in them."""
MISSING = f"{ROOT}/404"
"""The page for an address that there is not."""
_HERE = Path(__file__).parent
_SECTIONS = {
    "query": "Queries",
    "mutation": "Mutations",
    "subscription": "Subscriptions",
    "type": "Types",
    "event": "Events",
    "error": "Errors",
    "input": "Inputs",
    "interface": "Interfaces",
    "union": "Unions",
    "enum": "Enums",
    "scalar": "Scalars",
    "directive": "Directives",
}
"""Headings by kind, in the order of a page."""


@dataclass(frozen=True, slots=True)
class File:
    """Something to serve, in both forms."""

    body: bytes
    compressed: bytes
    media_type: str
    tag: str
    """An entity tag, weak because it is that of both forms."""

    @classmethod
    def of(cls, text: str, media_type: str) -> File:
        """With a tag by which equal content is known, whichever process made it."""
        body = text.encode()
        return cls(body, gzip.compress(body, mtime=0), media_type, f'W/"{_digest(body)}"')


def render(sdl: str, *, graphiql: bool) -> Mapping[str, File]:
    """Everything under `/docs`, by path, for a schema as it is published. Takes 120 ms of CPU."""
    return dict(_Pages(Places(build_schema(sdl)), graphiql=graphiql).files())


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


class _Pages:
    def __init__(self, places: Places, *, graphiql: bool) -> None:
        self._places = places
        self._schema = places.schema
        self._entries = Entries(places, graphiql=graphiql)
        self._kinds = {kind: list(self._of_kind(kind)) for kind in _SECTIONS}
        self._style = (_HERE / "reference.css").read_text()
        self._script = f"const PARTS = {self._names()};\n{(_HERE / 'reference.js').read_text()}"
        self._shell = Shell(
            f"{ASSETS}reference.{_digest(self._style.encode())}.css",
            f"{ASSETS}reference.{_digest(self._script.encode())}.js",
            graphiql=graphiql,
        )

    def files(self) -> Iterator[tuple[str, File]]:
        yield self._shell.style, File.of(self._style, "text/css")
        yield self._shell.script, File.of(self._script, "text/javascript")
        yield ROOT, self._page("API reference", ROOT, self._index())
        yield f"{ROOT}/conventions", self._page("Conventions", f"{ROOT}/conventions", self._conventions())
        for part in PARTS:
            yield f"{ROOT}/{part.slug}", self._page(part.title, f"{ROOT}/{part.slug}", self._part(part))
        lost = tag("p", "The reference has no such page. ", tag("a", "See all parts", href=ROOT), ".")
        yield MISSING, self._page("Not found", MISSING, join((tag("h1", "Not found"), lost)))

    def _of_kind(self, kind: str) -> Iterator[str]:
        """The coordinates of what there is of a kind; of types in the order in which root fields lead to them."""
        if kind in self._places.roots:
            root = self._places.roots[kind]
            yield from sorted((f"{root.name}.{name}" for name in root.fields), key=self._rank)
        elif kind == "directive":
            yield from (f"@{directive.name}" for directive in self._schema.directives)
        else:
            yield from (name for name in self._places.types if label(self._schema.type_map[name]) == kind)

    def _rank(self, coordinate: str) -> int:
        """The order of `PARTS`; what it does not name comes last."""
        order = [
            f"{self._places.roots[kind].name}.{name}"
            for part in PARTS
            for kind, name in part.roots
            if kind in self._places.roots
        ]
        return order.index(coordinate) if coordinate in order else len(order)

    def _here(self, part: Part, kind: str) -> list[str]:
        at = f"{ROOT}/{part.slug}#"
        found = (each for each in self._kinds[kind] if (self._places.href(each) or "").startswith(at))
        return [each for each in found if each not in self._places.owned]

    def _part(self, part: Part) -> Html:
        here = {kind: found for kind in _SECTIONS if (found := self._here(part, kind))}
        overview = (
            join((tag("h3", _SECTIONS[kind]), tag("ul", *(self._summed(each) for each in found))))
            for kind, found in here.items()
        )
        return join(
            (
                tag("h1", part.title),
                tag("p", part.summary, class_="lede"),
                tag(
                    "section",
                    tag("h2", "On this page", id="on-this-page"),
                    *(tag("div", each) for each in overview),
                    class_="overview",
                    aria_labelledby="on-this-page",
                ),
                *(
                    tag("section", tag("h2", _SECTIONS[kind], id=_SECTIONS[kind].lower()), *map(self._entry, found))
                    for kind, found in here.items()
                ),
            )
        )

    def _summed(self, coordinate: str) -> Html:
        """A name and the first sentence about it."""
        told = line(summary(self._described(coordinate)), lambda _: None)
        return tag("li", self._entries.link(coordinate, coordinate.rpartition(".")[2]), " ", tag("span", told))

    def _described(self, coordinate: str) -> str | None:
        owner, _, name = coordinate.partition(".")
        if owner.startswith("@"):
            return self._directive(owner).description
        root = next((root for root in self._places.roots.values() if root.name == owner and name), None)
        return root.fields[name].description if root else self._schema.type_map[owner].description

    def _directive(self, name: str) -> GraphQLDirective:
        return next(each for each in self._schema.directives if f"@{each.name}" == name)

    def _entry(self, coordinate: str) -> Html:
        owner, _, name = coordinate.partition(".")
        if owner.startswith("@"):
            return self._entries.directive(self._directive(owner))
        kind = next((kind for kind, root in self._places.roots.items() if root.name == owner and name), None)
        return self._entries.operation(kind, name) if kind else self._entries.type(self._schema.type_map[owner])

    def _index(self) -> Html:
        conventions: tuple[str, str, str, Sequence[str]] = (
            "Conventions",
            f"{ROOT}/conventions",
            "What holds everywhere: failures, codes, IDs, dates, cursors.",
            (),
        )
        parts = [
            (
                part.title,
                f"{ROOT}/{part.slug}",
                part.summary,
                [each for kind in self._places.roots for each in self._here(part, kind)],
            )
            for part in PARTS
        ]
        return join(
            (
                tag("h1", "API reference"),
                tag(
                    "p",
                    "Everything that the API at ",
                    tag("code", "/graphql"),
                    " understands, part by part, as this server has it.",
                    class_="lede",
                ),
                tag(
                    "section",
                    tag("h2", "Parts", id="parts"),
                    tag("ul", *(self._card(*each) for each in (conventions, *parts)), class_="cards"),
                ),
                tag(
                    "section",
                    tag("h2", "Every name", id="names"),
                    *(self._listed(kind, found) for kind, found in self._kinds.items() if found),
                    class_="names",
                ),
            )
        )

    def _card(self, title: str, href: str, about: str, operations: Sequence[str]) -> Html:
        links = join((self._entries.link(each, each.partition(".")[2]) for each in operations), " ")
        return tag(
            "li",
            tag("h3", tag("a", title, href=href)),
            tag("p", about),
            tag("p", links, class_="operations") if operations else Html(),
        )

    def _listed(self, kind: str, found: list[str]) -> Html:
        links = (
            tag("li", self._entries.link(each, each.partition(".")[2] or each)) for each in sorted(found, key=str.lower)
        )
        return join((tag("h3", _SECTIONS[kind], " ", tag("span", str(len(found)), class_="count")), tag("ul", *links)))

    def _conventions(self) -> Html:
        sections = (
            tag(
                "section",
                tag("h2", tag("a", title, href=f"#{anchor}", class_="name"), id=anchor),
                prose(text, self._places.told),
            )
            for anchor, title, text in CONVENTIONS
        )
        return join(
            (
                tag("h1", "Conventions"),
                tag("p", "What holds for every part of the API.", class_="lede"),
                tag("div", *sections, class_="conventions"),
            )
        )

    def _page(self, title: str, path: str, content: Html) -> File:
        return File.of(self._shell.page(title, path, content), "text/html")

    def _names(self) -> str:
        """By slug: the part's title, and everything with an anchor on its page."""
        names: dict[str, list[str]] = {part.slug: [] for part in PARTS}
        for kind in self._schema.type_map.values():
            if not is_introspection_type(kind):
                for coordinate in self._within(kind):
                    href = self._places.href(coordinate) or ""
                    names[href.removeprefix(f"{ROOT}/").partition("#")[0]].append(coordinate)
        names[PARTS[-1].slug] += self._kinds["directive"]
        return orjson.dumps({part.slug: [part.title, " ".join(names[part.slug])] for part in PARTS}).decode()

    @staticmethod
    def _within(kind: GraphQLNamedType) -> Iterator[str]:
        yield kind.name
        yield from (f"{kind.name}.{name}" for name in members(kind))

"""What stands around the content of every page."""

from __future__ import annotations

from dataclasses import dataclass

from api.reference.markup import Html, tag
from api.reference.parts import PARTS
from api.reference.places import ROOT

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='6' cy='8' r='5' "
    "fill='%230b6e5f'/%3E%3Ccircle cx='10' cy='8' r='5' fill='%234fc7b2' fill-opacity='.8'/%3E%3C/svg%3E"
)


@dataclass(frozen=True, slots=True)
class Shell:
    """The addresses of style and script, and whether there is a GraphiQL to link to."""

    style: str
    script: str
    graphiql: bool

    def page(self, title: str, path: str, content: Html) -> str:
        """A document with that content."""
        full = title if path == ROOT else f"{title} · API reference"
        page = tag(
            "html",
            tag(
                "head",
                tag("meta", charset="utf-8"),
                tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
                tag("title", f"{full} · Parley"),
                tag("link", rel="icon", href=_ICON),
                tag("link", rel="stylesheet", href=self.style),
                tag("script", src=self.script, defer=True),
            ),
            tag(
                "body",
                tag("a", "Skip to the content", href="#content", class_="skip"),
                self._header(),
                tag("div", self._navigation(path), tag("main", content, id="content", tabindex="-1"), class_="frame"),
            ),
            lang="en",
        )
        return f"<!doctype html>{page}"

    def _header(self) -> Html:
        search = tag(
            "div",
            tag("label", "Search the reference", for_="search"),
            tag(
                "input", type="search", id="search", placeholder="Search names", autocomplete="off", spellcheck="false"
            ),
            tag("p", role="status", id="found"),
            tag("ul", id="results", aria_label="Results", hidden=True),
            role="search",
            hidden=True,
        )
        elsewhere = [tag("a", "schema.graphql", href="/schema.graphql")]
        if self.graphiql:
            elsewhere.append(tag("a", "GraphiQL", href="/graphiql"))
        return tag(
            "header",
            tag(
                "p",
                tag("a", "Parley", href="/", class_="brand"),
                " ",
                tag("a", "API reference", href=ROOT),
                class_="title",
            ),
            tag("nav", *elsewhere, aria_label="Elsewhere"),
            search,
        )

    @staticmethod
    def _navigation(path: str) -> Html:
        entries = [
            (ROOT, "Overview"),
            (f"{ROOT}/conventions", "Conventions"),
            *((f"{ROOT}/{part.slug}", part.title) for part in PARTS),
        ]
        links = (tag("a", title, href=href, aria_current="page" if href == path else None) for href, title in entries)
        return tag("nav", tag("ul", *(tag("li", link) for link in links)), aria_label="Parts", class_="parts")

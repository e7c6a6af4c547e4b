"""The schema reference under /docs: all of the schema, once, linked, escaped, and off where the schema is hidden."""

from __future__ import annotations

import gzip
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from html.parser import HTMLParser
from itertools import pairwise
from typing import cast
from unittest.mock import MagicMock
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from graphql import (
    FieldNode,
    GraphQLInputObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    is_introspection_type,
)
from graphql.execution import get_variable_values
from playwright.async_api import Route, async_playwright
from starlette.applications import Starlette

from api.app import application
from api.parts import Parts
from api.reference import routes
from api.reference.pages import File, render
from api.reference.parts import PARTS
from api.reference.places import members
from api.settings import load
from schema.api import schema as served
from schema.api import sdl
from schema.execution.documents import Documents, Prepared
from schema.execution.measure import DocumentLimits
from tests.acceptance.server import ROOT

SDL = sdl()
SCHEMA = build_schema(SDL)
HOSTILE = '''
"""<script>alert(1)</script> & `<b>code</b>`"""
type Query {
  """<img src=x onerror=alert(1)>"""
  novel("<i>which</i>" title: String = "</code><script>" kind: Kind = NEW): Novel @deprecated(reason: "<u>gone</u>")
}
type Novel { "<s>pages</s>" pages(from: Int! = 1): [Page!]! }
scalar Page @specifiedBy(url: "javascript:alert(1)")
enum Kind { "<em>new</em>" NEW }
'''


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.lang = ""
        self._text: list[str] = []
        self.feed(page)

    @cached_property
    def text(self) -> str:
        """All of it, with single spaces."""
        return " ".join("".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes it."""
        self.tags[tag] += 1
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src"}:
                self.links.append(value or "")
            if name == "lang":
                self.lang = value or ""
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))

    def handle_data(self, data: str) -> None:
        """Notes it."""
        self._text.append(data)


def seen(files: Mapping[str, File]) -> dict[str, Seen]:
    """The pages, by path."""
    return {path: Seen(file.body.decode()) for path, file in files.items() if file.media_type == "text/html"}


@pytest.fixture(scope="module")
def files() -> Mapping[str, File]:
    """What is served under /docs."""
    return render(SDL, graphiql=True)


@pytest.fixture(scope="module")
def pages(files: Mapping[str, File]) -> dict[str, Seen]:
    """The pages among it."""
    return seen(files)


def coordinates(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Everything in a schema, with its description."""
    for directive in schema.directives:
        yield f"@{directive.name}", directive.description
        yield from ((f"@{directive.name}.{name}", its.description) for name, its in directive.args.items())
    for kind in schema.type_map.values():
        if is_introspection_type(kind):
            continue
        yield kind.name, kind.description
        for name, its in members(kind).items():
            yield f"{kind.name}.{name}", getattr(its, "description", None)
            for argument, given in getattr(its, "args", {}).items():
                yield f"{kind.name}.{name}.{argument}", given.description


def check(schema: GraphQLSchema, pages: Mapping[str, Seen]) -> None:
    """Everything has one anchor, on a page that says what its description says; and every link leads somewhere."""
    anchors = Counter(anchor for page in pages.values() for anchor in page.ids)
    for coordinate, description in coordinates(schema):
        assert anchors[coordinate] == 1, coordinate
        page = next(page for page in pages.values() if coordinate in page.ids)
        assert " ".join((description or "").replace("`", "").split()) in page.text, coordinate
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            url = urlsplit(link)
            if url.path in pages or not url.path:
                assert not url.fragment or url.fragment in pages[url.path or path].ids, link
            else:
                assert not url.path.startswith("/docs") or url.path.startswith("/docs/assets/"), link


def test_everything_in_the_schema_is_described_once_and_linked(pages: dict[str, Seen]) -> None:
    """A field that the reference lacks does not exist for a front-end developer, and two places would be two truths."""
    check(SCHEMA, pages)


def test_what_nobody_assigned_to_a_part_has_a_place_all_the_same() -> None:
    """A field that is added tomorrow shows up without anybody thinking of the reference."""
    schema = build_schema(HOSTILE)
    pages = seen(render(HOSTILE, graphiql=True))
    check(schema, pages)
    assert {"Query.novel", "Query.novel.title", "Novel.pages.from", "Kind.NEW"} <= set(pages["/docs/shared"].ids)


def test_an_input_of_which_one_field_is_taken_says_so(pages: dict[str, Seen]) -> None:
    """All its fields look optional, and none of them given is refused."""
    one_of = [kind for kind in SCHEMA.type_map.values() if isinstance(kind, GraphQLInputObjectType) and kind.is_one_of]
    assert len(one_of) > 1
    for kind in one_of:
        (page,) = (page for page in pages.values() if kind.name in page.ids)
        assert f"{kind.description}Takes exactly one of its fields" in page.text, kind.name


def test_every_name_of_the_parts_is_in_the_schema() -> None:
    """One that was misspelt would send its type to another page without a word."""
    roots = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
    for part in PARTS:
        assert all(name in SCHEMA.type_map for name in part.types.split()), part.slug
        assert all(name in members(roots[kind]) for kind, name in part.roots), part.slug
    named = Counter(name for part in PARTS for name in part.types.split())
    assert max(named.values()) == 1


def test_every_root_field_has_an_example_that_runs_as_it_is_written(pages: dict[str, Seen]) -> None:
    """An example that the server refuses teaches that the documentation lies."""
    documents = Documents(served._schema, DocumentLimits())
    shown: Counter[str] = Counter()
    for page in pages.values():
        for link in page.links:
            if not link.startswith("/graphiql?"):
                continue
            given = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
            prepared = documents.prepare(given["query"])
            assert isinstance(prepared, Prepared), given["query"]
            (operation,) = prepared.document.definitions
            assert isinstance(operation, OperationDefinitionNode)
            variables = orjson.loads(given.get("variables", "{}"))
            declared = operation.variable_definitions or ()
            values = get_variable_values(served._schema, declared, variables)
            assert not isinstance(values, list), values
            assert set(variables) == {node.variable.name.value for node in declared}
            assert " ".join(given["query"].split()) in page.text
            (field,) = operation.selection_set.selections
            assert isinstance(field, FieldNode)
            shown[f"{operation.operation.value} {field.name.value}"] += 1
    roots = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
    assert shown == {f"{kind} {name}": 1 for kind, root in roots.items() for name in members(root)}


def test_nothing_links_to_graphiql_where_it_is_not_served() -> None:
    """Without Node it was not built."""
    assert not [
        link for page in seen(render(SDL, graphiql=False)).values() for link in page.links if "graphiql" in link
    ]


def test_what_the_schema_says_is_text_and_never_markup() -> None:
    """A description may speak of markup, and a default value may be any string."""
    for path, page in seen(render(HOSTILE, graphiql=True)).items():
        assert page.tags["script"] == 1, path  # our own
        assert not {"img", "b", "i", "u", "s", "em", "style"} & set(page.tags), path
        assert not [name for name in page.attributes if name.startswith("on") or name == "style"], path
        assert not [link for link in page.links if link.startswith("javascript:")], path


def test_pages_can_be_read_by_a_screen_reader(pages: dict[str, Seen]) -> None:
    """Headings and landmarks are how somebody who does not see the page finds their way through it."""
    for path, page in pages.items():
        assert page.lang == "en"
        assert page.tags["main"] == page.tags["header"] == page.tags["h1"] == 1, path
        assert "#content" in page.links, path
        assert page.headings[0] == 1, path
        assert all(lower - upper <= 1 for upper, lower in pairwise(page.headings)), path


def test_the_search_knows_every_name(files: Mapping[str, File]) -> None:
    """What it does not find does not exist, for whoever searched."""
    (script,) = (file.body.decode() for file in files.values() if file.media_type == "text/javascript")
    first, _, rest = script.partition("\n")
    parts = orjson.loads(first.removeprefix("const PARTS = ").removesuffix(";"))
    names = Counter(name for _, every in parts.values() for name in every.split())
    arguments = {name for name, _ in coordinates(SCHEMA) if name.count(".") == 2 or (name[0] == "@" and "." in name)}
    assert names == {name: 1 for name, _ in coordinates(SCHEMA) if name not in arguments}
    assert "innerHTML" not in rest


@pytest.fixture
def http() -> httpx.AsyncClient:
    """A client of the reference alone."""
    app = Starlette(routes=routes.reference_routes(SDL, graphiql=True))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_pages_come_under_a_strict_policy_and_assets_are_kept_for_good(http: httpx.AsyncClient) -> None:
    """Whatever got into a page, no script but ours runs there; and who comes back fetches nothing twice."""
    page = await http.get("/docs/rooms")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].split("; ") == [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"
    assets = [link for link in Seen(page.text).links if link.startswith("/docs/assets/")]
    assert len(assets) == 2
    for link in assets:
        asset = await http.get(link)
        assert asset.status_code == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_who_has_a_page_already_is_told_so(http: httpx.AsyncClient) -> None:
    """The tag is that of the content, so it holds over restarts and between workers."""
    page = await http.get("/docs")
    for known in (page.headers["etag"], f'"other", {page.headers["etag"].removeprefix("W/")}', "*"):
        again = await http.get("/docs", headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == page.headers["etag"]
    assert (await http.get("/docs", headers={"if-none-match": 'W/"other"'})).status_code == 200
    assert render(SDL, graphiql=True)["/docs"].tag == page.headers["etag"]


async def test_pages_are_compressed_for_who_takes_that(http: httpx.AsyncClient, files: Mapping[str, File]) -> None:
    """Seven times less to wait for on a phone."""
    async with http.stream("GET", "/docs/rooms", headers={"accept-encoding": "br, gzip"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == files["/docs/rooms"].body
    assert len(raw) < len(files["/docs/rooms"].body) / 4
    plain = await http.get("/docs/rooms", headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert plain.content == files["/docs/rooms"].body


@pytest.mark.parametrize(
    "path", ["/docs/none", "/docs/404", "/docs/assets/reference.0.js", "/docs/rooms/x", "/docs/%00"]
)
async def test_an_address_that_there_is_not_says_so(http: httpx.AsyncClient, path: str) -> None:
    """With the way back to those that there are, and nothing that a cache keeps."""
    answer = await http.get(path)
    assert answer.status_code == 404
    assert "/docs" in Seen(answer.text).links
    assert answer.headers["cache-control"] == "no-cache"
    assert "etag" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_pages_are_made_once_and_not_by_the_loop(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making them takes as long as some hundred requests of others."""
    threads: list[threading.Thread] = []

    def noted(text: str, *, graphiql: bool) -> Mapping[str, File]:
        threads.append(threading.current_thread())
        return render(text, graphiql=graphiql)

    monkeypatch.setattr(routes, "render", noted)
    for path in ("/docs", "/docs/rooms", "/docs/none"):
        await http.get(path)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_the_search_leads_to_a_name_by_keyboard_alone_under_the_policy(http: httpx.AsyncClient) -> None:
    """Whoever knows half of a name should not have to know the part: a browser, the real policy, and no mouse."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: install it (apt-get install chromium)")
    said: list[str] = []

    async def answer(route: Route) -> None:
        got = await http.get(urlsplit(route.request.url).path)
        headers = {name: value for name, value in got.headers.items() if name != "content-encoding"}
        await route.fulfill(status=got.status_code, headers=headers, body=got.content)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = await browser.new_page(viewport={"width": 390, "height": 844})
            page.set_default_timeout(60_000)  # The machine may be busy.
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            await page.route("**/*", answer)
            await page.goto("http://localhost/docs")
            await page.get_by_role("searchbox").fill("presencesnapshot.room")
            await page.get_by_role("link", name="PresenceSnapshot.room").wait_for()
            assert await page.get_by_role("status").text_content() == "1 found"
            await page.keyboard.press("ArrowDown")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/docs/presence#PresenceSnapshot.room")
            await page.get_by_role("searchbox").fill("no such name")
            assert await page.get_by_role("list", name="Results").text_content() == "No such name."
            await page.keyboard.press("Escape")
            assert await page.get_by_role("list", name="Results").count() == 0
            assert await page.evaluate("document.documentElement.scrollWidth") == 390
        finally:
            await browser.close()
    assert not said


@pytest.mark.parametrize(("introspection", "status"), [(None, 404), ("off", 404), ("on", 200)])
async def test_production_hides_the_reference_unless_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, introspection: str | None, status: int
) -> None:
    """It tells what the schema tells, so it goes with it."""
    monkeypatch.setenv("PARLEY_ENVIRONMENT", "production")
    monkeypatch.setenv("PARLEY_SECRETS", "k1:AAAA")
    if introspection:
        monkeypatch.setenv("PARLEY_INTROSPECTION", introspection)
    app = application(load(), cast("Parts", MagicMock()), bytes)  # The parts that run are not asked.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        for path in ("/docs", "/docs/rooms", "/schema.graphql"):
            assert (await client.get(path)).status_code == status, path


def test_its_colours_are_those_of_the_other_pages() -> None:
    """It is served where Node is missing as well, so that it has a copy of what is in web/shared."""
    ours, theirs = (
        [
            dict(re.findall(r"(--[\w-]+): (#\w+);", scheme))
            for scheme in (ROOT / path).read_text().split("(prefers-color-scheme: dark)")
        ]
        for path in ("api/reference/reference.css", "web/shared/tokens.css")
    )
    assert all(ours)
    assert [{name: scheme.get(name) for name in own} for own, scheme in zip(ours, theirs[:2], strict=True)] == ours

"""The pages and their assets, as a browser, a proxy and somebody who pokes about are answered."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import MagicMock

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.middleware import Middleware

from api import web
from api.app import application
from api.origins import Cors, Origins
from api.settings import load

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from api.parts import Parts

SENTENCE = "The pages are missing: where Node 20.19 or newer is installed with npm, <code>make run</code> builds them"
SCRIPT = b"console.log('hello');" * 40
ADDRESSES = ("/", "/console", "/console/", "/graphiql", "/graphiql/")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What a build leaves behind, but small."""
    folder = tmp_path / "dist"
    for name in ("", "console", "graphiql", "assets", "assets/deep"):
        (folder / name).mkdir()
    for name in ("index.html", "console/index.html", "graphiql/index.html"):
        (folder / name).write_text(f"<!doctype html>{web.EXPLORE}<p>{name}")
    (folder / "icon.svg").write_text("<svg/>")
    for name in ("a-1.js", "a-1.js.map", "b-2.css", "c-3.ttf", "d-4.woff2", "e-5.wasm", "f-6.json", "g-7.unknown"):
        (folder / "assets" / name).write_bytes(SCRIPT)
    (folder / "assets" / "a-1.js.br").write_bytes(b"as if by brotli")
    (folder / "assets" / "a-1.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "assets" / "deep" / "h-8.js").write_bytes(SCRIPT)
    (tmp_path / "secret.js").write_text("not for you")
    return folder


def serving(dist: Path, *, exploring: bool = True) -> AsyncClient:
    """A client of the pages alone, behind our CORS as in the application."""
    origins = Origins.of(["https://talk.example"], development=False)
    routes = web.routes(exploring=exploring, dist=dist)
    return _client(Starlette(routes=routes, middleware=[Middleware(Cors, origins=origins)]))


def _client(app: ASGIApp) -> AsyncClient:
    return AsyncClient(
        transport=ASGITransport(app), base_url="http://parley.example", headers={"accept-encoding": "identity"}
    )


# ------------------------------------------------------------------------------------------ pages


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_page_comes_under_a_policy_that_lets_nothing_in_from_elsewhere(dist: Path, address: str) -> None:
    """A script that somebody smuggles in does not run, and a page in somebody else's frame does not show."""
    async with serving(dist) as client:
        answer = await client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache", "a new build is seen at the next visit"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer", "an invite code in the address stays here"
    assert "camera=(self), microphone=(self), display-capture=(self)" in answer.headers["permissions-policy"]
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for directive in ("script-src", "connect-src", "worker-src", "font-src"):
        assert policy[directive] == "'self'", directive
    for directive in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[directive] == "'none'", directive
    inline = "'self' 'unsafe-inline'" if "graphiql" in address else "'self'"
    assert policy["style-src"] == inline, "Monaco needs it, and nothing else"
    assert "http" not in answer.headers["content-security-policy"]


async def test_a_page_is_told_whether_the_explorers_are_there(dist: Path) -> None:
    """It does not link to what a production server does not have."""
    async with serving(dist) as client:
        assert 'name="parley-explore" content="on"' in (await client.get("/")).text
    async with serving(dist, exploring=False) as client:
        assert 'name="parley-explore" content="off"' in (await client.get("/")).text
        assert (await client.get("/console")).status_code == 200
        for address in ("/graphiql", "/graphiql/"):
            assert (await client.get(address)).status_code == 404


async def test_pages_are_read_only(dist: Path) -> None:
    """POST has nothing to do here; HEAD is what monitors ask with."""
    async with serving(dist) as client:
        for address in (*ADDRESSES, "/icon.svg", "/assets/a-1.js"):
            assert (await client.post(address)).status_code == 405, address
            head, whole = await client.head(address), await client.get(address)
            assert head.status_code == 200
            assert head.headers == whole.headers, address
        assert (await client.head("/assets/a-1.js")).content == b""


async def test_an_answer_that_is_kept_is_the_same_to_everybody(dist: Path) -> None:
    """What CORS says to one origin must not stay in what the next is sent."""
    async with serving(dist) as client:
        before = await client.get("/")
        allowed = await client.get("/", headers={"origin": "https://talk.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://talk.example"
        assert (await client.get("/")).headers == before.headers


@pytest.mark.parametrize("missing", ["index.html", "console/index.html", "graphiql/index.html"])
async def test_without_pages_each_address_says_what_to_do(dist: Path, missing: str) -> None:
    """Somebody without Node sees the way on, not an error; so does whoever comes in the middle of a build."""
    (dist / missing).unlink()
    async with serving(dist) as client:
        for address in ADDRESSES:
            answer = await client.get(address)
            assert answer.status_code == (200 if address == "/" else 404)
            assert SENTENCE in answer.text
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert (await client.get("/assets/a-1.js")).status_code == 404


async def test_the_application_serves_pages_beside_the_api(monkeypatch: pytest.MonkeyPatch, dist: Path) -> None:
    """Which of them by the setting that there is already: whoever hides the schema hides what explores it."""
    monkeypatch.setitem(cast("dict[str, Any]", web.routes.__kwdefaults__), "dist", dist)
    monkeypatch.setenv("PARLEY_SECRETS", "k1:AAAA")
    for environment, introspection, explorers in (
        ("development", "", 200),
        ("development", "off", 404),
        ("production", "", 404),
        ("production", "on", 200),
    ):
        monkeypatch.setenv("PARLEY_ENVIRONMENT", environment)
        monkeypatch.setenv("PARLEY_INTROSPECTION", introspection)
        async with _client(application(load(), cast("Parts", MagicMock()), bytes)) as client:
            assert (await client.get("/graphiql")).status_code == explorers, (environment, introspection)
            assert (await client.get("/schema.graphql")).status_code == explorers
            for address in ("/", "/console", "/assets/a-1.js", "/icon.svg", "/healthz"):
                assert (await client.get(address)).status_code == 200, address


# ------------------------------------------------------------------------------------------ assets


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.000, gzip ; q=0.5", "gzip"),
        ("br ; q = 1", "br"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("*;q=0", "identity"),
        ("identity", "identity"),
        ("", "identity"),
        ("brotli, xgzip", "identity"),
        ("br;q=much, gzip;q=", "identity"),
        (",;,;q=1,", "identity"),
    ],
)
async def test_an_asset_comes_in_the_form_that_the_client_takes(dist: Path, accepted: str, coding: str) -> None:
    """A form that it cannot read would be an empty page (RFC 9110, section 12.5.3)."""
    stored = {"br": b"as if by brotli", "gzip": gzip.compress(SCRIPT), "identity": SCRIPT}[coding]
    async with (
        serving(dist) as client,
        client.stream("GET", "/assets/a-1.js", headers={"accept-encoding": accepted}) as answer,
    ):
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding", "identity") == coding
    assert raw[10:] == stored[10:], "but for the time in a gzip"
    assert int(answer.headers["content-length"]) == len(raw)
    assert "Accept-Encoding" in answer.headers["vary"]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_each_form_is_validated_by_itself(dist: Path) -> None:
    """A cache in between must not take one form for the other."""
    async with serving(dist) as client:
        tags = {}
        for coding in ("br", "gzip", "identity"):
            async with client.stream("GET", "/assets/a-1.js", headers={"accept-encoding": coding}) as answer:
                tags[coding] = answer.headers["etag"]
        assert len(set(tags.values())) == 3
        for condition in (tags["gzip"], f"W/{tags['gzip']}", f'"other", {tags["gzip"]}', "*"):
            again = await client.get("/assets/a-1.js", headers={"accept-encoding": "gzip", "if-none-match": condition})
            assert (again.status_code, again.content) == (304, b""), condition
            assert "Accept-Encoding" in again.headers["vary"]
            assert again.headers["etag"] == tags["gzip"]
        other = await client.get("/assets/a-1.js", headers={"if-none-match": tags["gzip"]})
        assert other.status_code == 200


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a-1.js", "text/javascript; charset=utf-8"),
        ("deep/h-8.js", "text/javascript; charset=utf-8"),
        ("a-1.js.map", "application/json; charset=utf-8"),
        ("b-2.css", "text/css; charset=utf-8"),
        ("c-3.ttf", "font/ttf"),
        ("d-4.woff2", "font/woff2"),
        ("e-5.wasm", "application/wasm"),
        ("f-6.json", "application/json; charset=utf-8"),
        ("g-7.unknown", "application/octet-stream"),
    ],
)
async def test_an_asset_says_what_it_is(dist: Path, name: str, kind: str) -> None:
    """Browsers are told not to guess: a script of the wrong type does not run. Part of a file is not promised: the whole comes."""
    async with serving(dist) as client:
        answer = await client.get(f"/assets/{name}", headers={"range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")


@pytest.mark.parametrize(
    "path",
    [
        "/assets",
        "/assets/",
        "/assets/deep",
        "/assets/deep/",
        "/assets/missing.js",
        "/assets/a-1.js/",
        "/assets/a-1.js.br",
        "/assets/a-1.js.gz",
        "/assets/../index.html",
        "/assets/../../secret.js",
        "/assets/./a-1.js",
        "/assets//a-1.js",
        "/assets//etc/passwd",
        "/assets/a-1.js\0",
        "/assets/\0",
        "/assets/C:\\a",
        "/assets/..\\..\\secret.js",
        f"/assets/{'a' * 20_000}",
        "/index.html",
        "/graphiql/index.html",
        "/console/../graphiql",
    ],
)
async def test_what_is_not_a_file_of_the_build_is_not_found(dist: Path, path: str) -> None:
    """However a path is written, decoded by the server as it is here: nothing outside, no list of a folder, and no traceback."""
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401  # of ASGI
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"parley.example")],
    }
    await Starlette(routes=web.routes(exploring=True, dist=dist))(scope, MagicMock(), send)
    assert sent[0]["status"] in ({307, 404} if path == "/assets" else {404})
    assert b"not for you" not in sent[1]["body"]


async def test_a_large_asset_goes_out_in_pieces(dist: Path) -> None:
    """For a client that reads slowly a piece waits, not the file."""
    whole = b"x" * 200_000
    (dist / "assets" / "large.js").write_bytes(whole)
    async with serving(dist) as client:
        answer = await client.get("/assets/large.js")
        assert answer.content == whole
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401  # of ASGI
        sent.append(message)

    app = Starlette(routes=web.routes(exploring=True, dist=dist))
    await app(
        {"type": "http", "method": "GET", "path": "/assets/large.js", "headers": [], "query_string": b""},
        MagicMock(),
        send,
    )
    assert max(len(message.get("body", b"")) for message in sent) <= 64 * 1024


async def test_a_new_build_beside_a_running_server_takes_nothing_away(dist: Path) -> None:
    """`make run` in another terminal replaces the folder; the pages that are open load their parts as before."""
    async with serving(dist) as client:
        for path in (dist / "assets").glob("a-1.js*"):
            path.unlink()
        for coding in ("identity", "gzip"):
            answer = await client.get("/assets/a-1.js", headers={"accept-encoding": coding})
            assert (answer.status_code, answer.content) == (200, SCRIPT)


# ------------------------------------------------------------------------------------------ what is built


@pytest.mark.skipif(not web.built(), reason="the pages are not built: install Node 20.19 or newer with npm")
async def test_what_is_built_keeps_to_the_policies() -> None:
    """Everything that a page names is there, with a hash in its name; nothing is inline, and nothing comes from elsewhere."""
    async with serving(web.DIST) as client:
        for address in ("/", "/console", "/graphiql"):
            text = (await client.get(address)).text
            assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text) == [], address
            assert re.findall(r"<script[^>]*>(?!</script>)", text) == [], address
            assert ('content="on"' in text) == (address != "/graphiql"), "the place that is told of explorers is there"
            named = re.findall(r'(?:src|href)="([^"]+)"', text)
            assert any(name.endswith(".js") for name in named), address
            for name in named:
                assert name.startswith("/"), f"{address} names {name}"
                answer = await client.get(name, headers={"accept-encoding": "br"})
                assert answer.status_code == 200, name
                if name != "/icon.svg":
                    assert re.search(r"-[\w-]{8}\.(js|css)$", name), name
        workers = {path.name.partition(".worker")[0] for path in (web.DIST / "assets").glob("*.worker-*.js")}
        assert workers == {"editor", "graphql", "json"}, "Monaco has others, which GraphiQL does not need"
        assert [path.name for path in (web.DIST / "assets").glob("*.ttf")], "the icons of Monaco"
        for style in (web.DIST / "assets").glob("*.css"):
            assert re.findall(r"@import|url\(\s*['\"]?(?:https?:)?//|url\(\s*['\"]?data:font", style.read_text()) == []

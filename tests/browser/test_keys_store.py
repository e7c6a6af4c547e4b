"""web/core/keys in the IndexedDB of Chromium: what is kept over reloads, tabs and crashes; and no message key is used twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.browser.bundling import bundled
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.browser.conftest import NewPage

    Open = Callable[[], Awaitable[Page]]

BLANK = "<!doctype html><link rel=icon href=data:,><title>keys</title><script src=/keys.js></script>"
ORIGIN = "http://localhost"
"""Nothing listens there: the pages are answered by the test."""


class KeyServer:
    """Hands out bundles as the server does, to all pages of a context. Accounts are members of the one room under the same name."""

    def __init__(self) -> None:
        self.published: dict[str, dict[str, Any]] = {}
        self.claims: dict[tuple[str, ...], dict[str, Any]] = {}

    def serve(self, call: str, account: str, argument: Any) -> Any:  # noqa: ANN401 - JSON of any shape
        """What `api` of keys.harness.ts asks."""
        if call == "publish":
            self.published[account] = argument
            return None
        if call == "keys":
            return [{"member": {"id": name}, **bundle} for name, bundle in self.published.items()]
        bundle = self.published[argument["memberId"]]
        request = (account, argument["memberId"], argument["requestId"])
        if request not in self.claims:
            self.claims[request] = {**bundle, "oneTimePreKey": bundle["oneTimePreKeys"].pop()}
        return self.claims[request]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module and its harness in one script."""
    return bundled("keys", tmp_path_factory.mktemp("keys"))


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_page: NewPage, harness: Path) -> Page:
    """The first tab. Whatever navigates in its context has the harness."""
    page = await new_page()
    context: BrowserContext = page.context
    await context.expose_function("serve", KeyServer().serve)
    await context.route(f"{ORIGIN}/**", lambda route: route.fulfill(body=BLANK, content_type="text/html"))
    await context.route(f"{ORIGIN}/keys.js", lambda route: route.fulfill(path=harness, content_type="text/javascript"))
    await page.goto(ORIGIN)
    return page


async def run(page: Page, script: str, argument: object = None) -> Any:  # noqa: ANN401 - JSON of any shape
    """What the body of a function in the page returns, which has Ada's and Ben's sides of the room, and `argument`."""
    names = "both, keysOf, readsAdas, tagged, openStore, NobodyReads"
    async with asyncio.timeout(DEADLINE):
        return await page.evaluate(
            f"async (argument) => {{ const {{ {names} }} = harness; const {{ ada, ben, durable }} = await both(); {script} }}",
            argument,
        )


async def test_sessions_and_texts_survive_a_reload(page: Page) -> None:
    """A reload is no new device: nobody is warned, and what was said is still there."""
    durable, first, number = await run(
        page,
        """const sealed = await ada.encrypt('before', 'first');
        if (await readsAdas(ben, 'first', sealed) !== 'before') throw new Error('Ben cannot read');
        return [durable, sealed, ada.members()[0].safetyNumber];""",
    )
    assert durable
    await page.reload()
    assert await run(
        page,
        """const second = await ada.encrypt('after', 'second');
        return [
          await readsAdas(ben, 'first', argument), await readsAdas(ben, 'second', second),
          (await ada.read(tagged('first', 'ada', 'first', argument))).text, ada.members()[0].safetyNumber,
        ];""",
        first,
    ) == ["before", "after", "before", number]


async def test_two_tabs_never_use_one_message_key(page: Page, new_page: NewPage) -> None:
    """A tab that was duplicated has the same account: both may write at the same moment."""
    await run(page, "await ada.encrypt('the session begins', 'first');")
    tabs = [page, await new_page(ORIGIN, beside=page)]
    script = """
        const lines = Array.from({ length: 12 }, (_, index) => `${argument} ${index}`);
        return Promise.all(lines.map(async (line) => [line, await ada.encrypt(line, line)]));"""
    sent = [
        line for lines in await asyncio.gather(*(run(tab, script, str(tab is page)) for tab in tabs)) for line in lines
    ]
    keys, read = await run(
        tabs[1],
        """const keys = argument.flatMap(([, sealed]) => keysOf(sealed.ciphertext));
        return [keys, await Promise.all(argument.map(([line, sealed]) => readsAdas(ben, line, sealed)))];""",
        sent,
    )
    assert len(sent) == len(keys) == len(set(keys)) == 24
    assert read == [line for line, _ in sent]


async def test_what_was_encrypted_and_not_sent_costs_no_message_key_twice(page: Page, new_page: NewPage) -> None:
    """A tab that dies between the store and the network, or within a transaction, is the case in which a nonce gets used twice."""
    lost = await run(page, "return ada.encrypt('lost', 'lost');")
    after = await new_page(ORIGIN, beside=page)
    await page.evaluate(
        """() => void harness.both().then(({ ada }) => {
          for (let line = 0; line < 50; line++) ada.encrypt(`cut off ${line}`, `cut off ${line}`);
        })"""
    )
    await page.close()
    keys, again, text = await run(
        after,
        """const next = await ada.encrypt('next', 'next');
        const cutOff = await ada.encrypt('cut off 0', 'cut off 0');
        const keys = [argument, next, cutOff].flatMap(({ ciphertext }) => keysOf(ciphertext));
        return [keys, await ada.encrypt('lost', 'lost'), await readsAdas(ben, 'next', next)];""",
        lost,
    )
    assert len(set(keys)) == 3
    assert again == lost, "a retry sends the same"
    assert text == "next"


async def test_what_is_older_than_a_month_is_deleted(page: Page) -> None:
    """Texts that the server has deleted must not live on in a browser, nor those of an account that never comes back."""
    first = await run(
        page, "const sealed = await ada.encrypt('old', 'first'); await readsAdas(ben, 'first', sealed); return sealed;"
    )
    month = 31 * 24 * 3600 * 1000
    await run(page, f"await openStore(Date.now() + {month});")
    await page.reload()
    assert await run(
        page,
        "return [await ada.read(tagged('first', 'ada', 'first', argument)), await readsAdas(ben, 'first', argument)];",
        first,
    ) == [
        {"refused": "notForMe"},
        "notForMe",
    ]


async def test_without_storage_it_works_in_memory_and_says_so(page: Page) -> None:
    """Private windows of some browsers have no IndexedDB, or one that fails."""
    await page.add_init_script("indexedDB.open = () => { throw new DOMException('no', 'SecurityError') };")
    await page.reload()
    assert await run(page, "return [durable, await readsAdas(ben, 'a', await ada.encrypt('hello', 'a'))];") == [
        False,
        "hello",
    ]

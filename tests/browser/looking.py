"""Looks at a page as a designer and as a screen reader do: pictures of it, and what axe finds in it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final, Self, cast

from playwright.async_api import ViewportSize

from tests.browser.bundling import PACKAGES
from tests.browser.conftest import NARROW, SCREENS, WIDE, Scheme
from tests.waiting import until

if TYPE_CHECKING:
    from types import TracebackType

    from playwright.async_api import Page

AXE: Final = PACKAGES / "axe-core" / "axe.min.js"
SIZES: Final[dict[str, ViewportSize]] = {"wide": WIDE, "narrow": NARROW}
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
AXED: Final = {("wide", "light"), ("narrow", "dark")}
"""Where axe looks: each size and each scheme once. Names and roles are the same in all four."""
TIGHT: Final = (
    ("tight", ViewportSize(width=320, height=640), ""),
    ("large", ViewportSize(width=640, height=800), "200%"),
)
"""What WCAG 2.2 asks a page to fit into (1.4.10 Reflow, 1.4.4 Resize Text)."""
FITS: Final = "document.documentElement.scrollWidth <= innerWidth"
SETTLED: Final = 10.0
"""Seconds in which a page has the layout of a new size: plots measure theirs, and are drawn anew."""
PAINTED: Final = """
scheme => new Promise((resolve) => {
  const look = () => matchMedia(`(prefers-color-scheme: ${scheme})`).matches
    ? requestAnimationFrame(() => requestAnimationFrame(() => resolve())) : requestAnimationFrame(look);
  look();
})
"""
"""Once the page has the scheme, and was painted in it."""


class Eyes:
    """Looks at views, and tells of all that is wrong once it has seen them all.

    with Eyes() as eyes:
        await eyes.look(page, "lobby")
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.found:
            raise AssertionError("\n".join(self.found))

    async def look(self, page: Page, name: str, *, part: bool = False, exempt: tuple[str, ...] = ()) -> None:
        """Takes the pictures of a view, `build/screens/NAME-{wide,narrow}-{light,dark}.png`, and notes where it scrolls
        sideways, and the serious and critical violations of WCAG that axe finds outside of what matches a selector of `exempt`.
        A `part` of a view, such as a dialog, is seen only where axe looks. The page is wide and in the context's
        scheme afterwards.
        """
        for (size, viewport), scheme in product(SIZES.items(), SCHEMES):
            if part and (size, scheme) not in AXED:
                continue
            await page.set_viewport_size(viewport)
            await page.emulate_media(color_scheme=scheme)
            await page.evaluate(PAINTED, scheme)
            await page.screenshot(path=SCREENS / f"{name}-{size}-{scheme}.png")
            where = f"{name}, {size} and {scheme}"
            if (size, scheme) in AXED:
                self.found += [f"{where}: {each}" for each in await violations(page, exempt)]
        for size, viewport, text in () if part else TIGHT:
            await page.set_viewport_size(viewport)
            await page.evaluate("size => { document.documentElement.style.fontSize = size }", text)
            try:
                await until(lambda: page.evaluate(FITS), SETTLED)
            except TimeoutError:
                await page.screenshot(path=SCREENS / f"{name}-{size}.png")
                self.found.append(f"{name}, {size}: the page scrolls sideways")
        await page.evaluate("document.documentElement.style.fontSize = ''")
        await page.set_viewport_size(WIDE)
        await page.emulate_media(color_scheme="null")


async def violations(page: Page, exempt: tuple[str, ...] = ()) -> list[str]:
    """The serious and critical ones that axe finds: rule, place and what to do. Its source is evaluated, not loaded: the policy of
    the page stays as it is.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text() + ";null")
    results = await page.evaluate(
        "exempt => axe.run({ exclude: exempt.map((one) => [one]) }, { resultTypes: ['violations'], preload: false })",
        list(exempt),
    )
    return [
        f"{rule['id']} ({rule['impact']}) at {node['target']}: {node['failureSummary']} <- {node['html'][:200]}"
        for rule in cast("list[Any]", results["violations"])
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]

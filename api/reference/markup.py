"""HTML put together from values, so that what is not markup already is always escaped."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_VOID = frozenset({"input", "link", "meta"})
_CODE = re.compile(r"`([^`]+)`")
_BULLET = "* "


class Html(str):
    """Markup: goes into a page as it stands. Any other string is text."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | bool | None) -> Html:
    """An element. Text among `children` and all values of attributes are escaped; an attribute that is None or False is left out,
    and one that is True has no value. A trailing underscore is cut off its name, any other is a hyphen.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{written}>") if name in _VOID else Html(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Html:
    """One after another; text is escaped."""
    return Html(between.join(part if isinstance(part, Html) else escape(part) for part in parts))


def prose(text: str | None, link: Callable[[str], str | None]) -> Html:
    """A description: paragraphs parted by an empty line, `* ` at the beginning of the lines of a list, and code in backticks, which
    becomes a link where `link` knows an address for it.
    """
    blocks = re.split(r"\n\s*\n", (text or "").strip())
    return join(_block(block, link) for block in blocks if block)


def _block(block: str, link: Callable[[str], str | None]) -> Html:
    if not block.startswith(_BULLET):
        return tag("p", line(block, link))
    items = block.removeprefix(_BULLET).split(f"\n{_BULLET}")
    return tag("ul", *(tag("li", line(item, link)) for item in items))


def line(text: str, link: Callable[[str], str | None]) -> Html:
    """What stands within one paragraph."""
    pieces = _CODE.split(text)
    return join(_code(piece, link) if place % 2 else piece for place, piece in enumerate(pieces))


def _code(text: str, link: Callable[[str], str | None]) -> Html:
    href = link(text)
    code = tag("code", text)
    return code if href is None else tag("a", code, href=href)


def summary(text: str | None) -> str:
    """The first sentence of a description, or what is as good as one, for overviews."""
    first = re.split(r"(?<=[.:;])\s", (text or "").strip(), maxsplit=1)[0]
    return f"{first[:-1]}." if first.endswith((":", ";")) else first

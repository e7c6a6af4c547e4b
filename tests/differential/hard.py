"""Operations over `everything` that chance seldom meets: much that waits, and much that fails where null is forbidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graphql import OperationType

from tests.differential.comparing import Request
from tests.differential.documents import Operation

_LINKS: Final = """
    fragment Links on Chain {
      depth maybe { nextLater { depth } } linksLater { nextLater { depth } maybe { next { depth } } }
    }"""
TEXTS: Final = [
    """{
      a: chain { nextLater { maybe { nextLater { ...Links } next { depth } } ...Links next { ...Links } } }
      later
      b: chain { links { linksLater { nextLater { ...Links } next { next { depth } } } } }
      guardedLater
    }"""
    + _LINKS,
    """{
      chainMust { maybe { nextLater { ...Links } next { next { depth } } } linksLater { ...Links } }
      awaited { id }
    }"""
    + _LINKS,
    """mutation {
      a: later { __typename ... on Thing { chain { nextLater { ...Links } next { depth } } } }
      now b: must c: people { loves { id } } d: guarded { chain { linksLater { ...Links } } }
    }"""
    + _LINKS,
    "subscription { guarded { weight asked chain { maybe { nextLater { ...Links } next { depth } } } } }" + _LINKS,
    """query ($yes: Boolean! = true) {
      named { id @include(if: $yes) ... on Person { loves { id shouted } knows { id } } }
    }""",
    """query ($number: Float = 4, $point: Point = {x: 1}) {
      later(number: $number)
      shape(shape: {corners: [$point, {x: 2, tags: ["a"]}]}, colours: [RED, AZURE])
    }""",
    """query ($number: Float = 4) {
      later(number: $number) anything(choices: [{words: ["a"]}, {number: 1}]) { __typename }
    }""",
]
"""Each is run in several worlds, so what one execution leaves behind is met by the next."""
SEEDS: Final = 12


def requests() -> Iterator[Request]:
    """Each operation in worlds of every trouble."""
    for text in TEXTS:
        for seed in range(SEEDS):
            kind = next((kind for kind in OperationType if text.startswith(kind.value)), OperationType.QUERY)
            variables = {"yes": seed % 2 == 0} if "$yes" in text else None
            yield Request(Operation(text, None, kind, ()), variables, seed, trouble=seed % 4)

"""What the acceptance clients send is what the published schema allows."""

from __future__ import annotations

import pytest
from graphql import build_schema, parse, validate

from tests.acceptance import documents
from tests.acceptance.server import ROOT

DOCUMENTS = {name: text for name, text in vars(documents).items() if name.isupper() and not name.startswith("_")}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_against_the_published_schema(name: str) -> None:
    """A front end generates its types from schema.graphql: a document that works on the server and not with that file, or the
    other way round, would be a trap.
    """
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert validate(schema, parse(DOCUMENTS[name])) == []

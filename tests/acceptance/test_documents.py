"""What the acceptance clients send, and what the guides show, is what the published schema allows."""

from __future__ import annotations

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from tests import guides
from tests.acceptance import documents
from tests.acceptance.server import ROOT

DOCUMENTS = {name: text for name, text in vars(documents).items() if name.isupper() and not name.startswith("_")}
PAGES = {str(page.relative_to(ROOT)): page for page in guides.PAGES if guides.documents(page)}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """As it is published."""
    return build_schema((ROOT / "schema.graphql").read_text())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_against_the_published_schema(name: str, schema: GraphQLSchema) -> None:
    """A front end generates its types from schema.graphql: a document that works on the server and not with that file, or the
    other way round, would be a trap.
    """
    assert validate(schema, parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_guide_shows_is_valid_against_the_published_schema(page: str, schema: GraphQLSchema) -> None:
    """Readers copy it, and blame themselves."""
    for document in guides.documents(PAGES[page]):
        assert validate(schema, parse(document)) == [], document


def test_every_guide_for_clients_that_shows_code_shows_documents() -> None:
    """Else their check above looks at nothing."""
    assert {"docs/CLIENTS.md", "docs/clients/python.md"} <= PAGES.keys()

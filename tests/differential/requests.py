"""What a client sends: an operation, its variables, and the world that it finds."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLNonNull, GraphQLSchema
from hypothesis import strategies as st

from tests.differential.comparing import Request
from tests.differential.documents import Operation, operations
from tests.differential.inputs import chance, sent


@st.composite
def requests(draw: st.DrawFn, schema: GraphQLSchema) -> list[Request]:
    """One or two requests of the same document, which one executor is to answer without remembering the other."""
    operation = draw(operations(schema))
    return [
        Request(operation, draw(variables(operation)), draw(st.integers(0, 999)), draw(st.integers(0, 3)))
        for _ in range(draw(st.integers(1, 2)))
    ]


@st.composite
def variables(draw: st.DrawFn, operation: Operation) -> dict[str, Any] | None:
    """Mostly what the operation demands; one in eight has something wrong."""
    wrong = 4 if chance(draw, 8) else 0
    values = {}
    for variable in operation.variables:
        needed = isinstance(variable.type, GraphQLNonNull) and variable.default is None
        if (needed and not (wrong and chance(draw, wrong))) or chance(draw, 2):
            values[variable.name] = sent(draw, variable.type, wrong)
    if chance(draw, 12):
        values["nobody_asked"] = 1
    return values or (None if chance(draw, 2) else {})

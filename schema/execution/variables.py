"""The variables of an operation, coerced: "Coercing Variable Values" of the specification (section 6.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, GraphQLNonNull, Undefined
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import get_variable_values
from graphql.utilities.coerce_input_value import coerce_default_value

from schema.execution.inputs import Mismatch, Unusual, is_immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLSchema, VariableDefinitionNode

    from schema.execution.inputs import Coerce, Inputs

MAX_ERRORS = 5
"""Errors reported for one request: a person mends them one by one, and each costs us work."""


class Variables:
    """The variables that an operation defines."""

    def __init__(
        self,
        schema: GraphQLSchema,
        definitions: Sequence[VariableDefinitionNode],
        inputs: Inputs,
        *,
        hide_suggestions: bool,
    ) -> None:
        self._schema = schema
        self._definitions = definitions
        self._hide_suggestions = hide_suggestions
        self.names = tuple(definition.variable.name.value for definition in definitions)
        self._compiled: list[tuple[str, Coerce, Any, bool]] | None = None
        try:
            self._compiled = [self._compile(definition, inputs) for definition in definitions]
        except Unusual:
            return

    def coerce(self, given: dict[str, Any]) -> dict[str, Any] | list[GraphQLError]:
        """The values by name, without those that have none; or what is wrong with them."""
        if self._compiled is not None:
            try:
                return _coerce(self._compiled, given)
            except Exception:  # noqa: BLE001, S110 - whatever it was, graphql-core says it better
                pass
        values = get_variable_values(
            self._schema,
            self._definitions,
            given,
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        return values if isinstance(values, list) else values.coerced

    def _compile(self, definition: VariableDefinitionNode, inputs: Inputs) -> tuple[str, Coerce, Any, bool]:
        signature = get_variable_signature(self._schema, definition)
        if isinstance(signature, GraphQLError):
            raise Unusual
        try:
            default = Undefined if signature.default is None else coerce_default_value(signature)
        except Exception:  # noqa: BLE001 - whatever an input type raises: graphql-core says it for each request that needs it
            raise Unusual from None
        if default is not Undefined and not is_immutable(default):
            raise Unusual  # made anew for each execution
        required = signature.default is None and isinstance(signature.type, GraphQLNonNull)
        return signature.name, inputs.coercer(signature.type), default, required


def _coerce(compiled: list[tuple[str, Coerce, Any, bool]], given: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, coerce, default, required in compiled:
        if name in given:
            values[name] = coerce(given[name])
        elif default is not Undefined:
            values[name] = default
        elif required:
            raise Mismatch
    return values

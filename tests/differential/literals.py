"""Arguments as documents write them: literals with variables anywhere within, and the definitions of those variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    get_nullable_type,
)
from graphql.utilities import is_type_sub_type_of
from hypothesis import strategies as st

from tests.differential.inputs import SCALARS, chance, given_by_default, is_one_of, pick, written

VARIABLES: Final = 12
"""As many as this in a document."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One definition; operations that use it repeat it."""

    name: str
    type: GraphQLInputType
    default: str | None

    def __str__(self) -> str:
        return f"${self.name}: {self.type}" + ("" if self.default is None else f" = {self.default}")

    def allowed(self, schema: GraphQLSchema, place: GraphQLInputType, *, defaulted: bool) -> bool:
        """Whether it may stand in a place of that type (GraphQL 5.8.5)."""
        if isinstance(place, GraphQLNonNull) and not isinstance(self.type, GraphQLNonNull):
            has_default = self.default is not None and self.default != "null"
            return (has_default or defaulted) and is_type_sub_type_of(schema, self.type, place.of_type)
        return is_type_sub_type_of(schema, self.type, place)


class Literals:
    """Writes literals, and keeps the variables that it put into them."""

    def __init__(self, draw: st.DrawFn, schema: GraphQLSchema) -> None:
        self._draw = draw
        self._schema = schema
        self._constant = 0
        self.variables: dict[str, Variable] = {}

    def arguments(self, field: GraphQLField, name: str) -> str:
        """What stands behind the field's name; `__type` asks for types that there are and for one that there is not."""
        if name == "__type":
            return f'(name: "{pick(self._draw, [*list(self._schema.type_map)[:40], "Nothing"])}")'
        given = [f"{argument}: {self._input(definition)}" for argument, definition in self._chosen(field.args)]
        return f"({', '.join(given)})" if given else ""

    def directives(self) -> str:
        """Mostly none, or one or both of `@include` and `@skip`, in either order."""
        if not chance(self._draw, 5):
            return ""
        some = [f"@{name}(if: {self._condition()})" for name in ("include", "skip")]
        if chance(self._draw, 4):
            return " " + " ".join(reversed(some) if chance(self._draw, 2) else some)
        return f" {pick(self._draw, some)}"

    def _condition(self) -> str:
        if chance(self._draw, 2):
            return self._variable(GraphQLNonNull(GraphQLBoolean))
        return str(pick(self._draw, ["true", "false"]))

    def _chosen(self, inputs: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Those that must be given, and some of the others; in another order now and then."""
        chosen = [
            (name, definition)
            for name, definition in inputs.items()
            if (isinstance(definition.type, GraphQLNonNull) and not given_by_default(definition))
            or chance(self._draw, 2)
        ]
        return chosen[::-1] if chance(self._draw, 4) else chosen

    def _input(self, definition: GraphQLArgument | GraphQLInputField) -> str:
        return self._literal(definition.type, defaulted=given_by_default(definition))

    def _literal(self, type_: GraphQLInputType, *, defaulted: bool = False, itself: bool = False) -> str:
        if not itself and not self._constant and chance(self._draw, 3):
            return self._variable(type_, defaulted=defaulted)
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif chance(self._draw, 8):
            return "null"
        return self._present(type_)

    def _present(self, type_: GraphQLInputType) -> str:
        if isinstance(type_, GraphQLList):
            if chance(self._draw, 5) and not isinstance(get_nullable_type(type_.of_type), GraphQLList):
                # One value is taken for a list of it, but a variable must have the list's type.
                return self._literal(GraphQLNonNull(get_nullable_type(type_.of_type)), itself=True)
            return f"[{', '.join(self._literal(type_.of_type) for _ in range(self._draw(_FEW)))}]"
        if isinstance(type_, GraphQLEnumType):
            return str(pick(self._draw, list(type_.values)))
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_)
        assert isinstance(type_, GraphQLScalarType)
        return written(pick(self._draw, SCALARS[type_.name]))

    def _object(self, type_: GraphQLInputObjectType) -> str:
        # That there are two is found when the operation runs, not when it is validated.
        if is_one_of(type_) and not chance(self._draw, 8):
            name = pick(self._draw, list(type_.fields))
            needed = GraphQLNonNull(get_nullable_type(type_.fields[name].type))
            return f"{{{name}: {self._literal(needed)}}}"
        given = [f"{name}: {self._input(definition)}" for name, definition in self._chosen(type_.fields)]
        return f"{{{', '.join(given)}}}"

    def _variable(self, place: GraphQLInputType, *, defaulted: bool = False) -> str:
        usable = [
            variable
            for variable in self.variables.values()
            if variable.allowed(self._schema, place, defaulted=defaulted)
        ]
        if usable and (chance(self._draw, 2) or len(self.variables) >= VARIABLES):
            chosen = pick(self._draw, usable)
        else:
            chosen = self._new(place, defaulted=defaulted)
        return f"${chosen.name}"

    def _new(self, place: GraphQLInputType, *, defaulted: bool) -> Variable:
        name = f"v{len(self.variables)}"
        # Its default may name no variable, and may itself be drawn before the name is taken.
        self._constant += 1
        type_, default = place, None
        if isinstance(place, GraphQLNonNull):
            if chance(self._draw, 3):
                type_ = place.of_type
                default = None if defaulted and chance(self._draw, 2) else self._literal(place)
            elif chance(self._draw, 4):
                default = self._literal(place)
        elif chance(self._draw, 4):
            type_ = GraphQLNonNull(place)
        elif chance(self._draw, 2):
            default = self._literal(place)
        self._constant -= 1
        self.variables[name] = Variable(name, type_, default)
        return self.variables[name]


_FEW: Final = st.integers(0, 3)

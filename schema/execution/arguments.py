"""The arguments of one field in a document: from its literals and variables straight to what the resolver takes.

"Coercing Field Arguments" of the specification (section 6.4.1). What is the same for every execution is made once, unless a
resolver could change it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import (
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    VariableNode,
    is_required_argument,
    is_required_input_field,
)
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

from schema.execution.inputs import Mismatch, Unusual, is_frozen, is_immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphql import FieldNode, GraphQLArgument, GraphQLInputType, ValueNode

    from schema.execution.inputs import Convert

Get: TypeAlias = Callable[[dict[str, Any]], Any]
"""From the variables to a coerced value, or `Undefined`. Raises `Mismatch`."""


class Arguments:
    """Makes the keyword arguments of one resolver. `parameters` are its arguments: the name in the API, the definition there, the
    name in Python, and what converts a coerced value.

    Raises `Unusual` if graphql-core had better do it.
    """

    __slots__ = ("_fixed", "_parts")

    def __init__(self, node: FieldNode, parameters: Sequence[tuple[str, GraphQLArgument, str, Convert | None]]) -> None:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        self._fixed: dict[str, Any] = {}
        self._parts: list[tuple[str, Get, Convert | None]] = []
        for name, argument, python_name, convert in parameters:
            get = _argument(argument, given.get(name))
            if not isinstance(get, _Fixed):
                self._parts.append((python_name, get, convert))
            elif is_immutable(get.value):
                self._fixed[python_name] = get.value  # there is nothing to convert about a leaf or null
            elif get.value is not Undefined:
                self._parts.append((python_name, get, convert))

    def __call__(self, variables: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments, of which nobody else has any part. Raises `Mismatch`."""
        values = self._fixed.copy()
        for name, get, convert in self._parts:
            value = get(variables)
            if value is not Undefined:
                values[name] = value if convert is None else convert(value)
        return values


class _Fixed:
    """A value that no variable has a part in, and that may be read by any number of executions."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        if value is not Undefined and not is_frozen(value):
            raise Unusual
        self.value = value

    def __call__(self, _variables: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the type is
        return self.value


def _argument(argument: GraphQLArgument, node: ValueNode | None) -> Get:
    required = is_required_argument(argument)
    if node is None:
        if required:
            raise Unusual
        return _Fixed(_default(argument))
    if isinstance(node, VariableNode):
        return _variable(node, argument.type, Undefined if required else _Fixed(_default(argument)).value)
    return _literal(node, argument.type)


def _literal(node: ValueNode, type_: GraphQLInputType) -> Get:
    if not any(_variables(node)):
        value = coerce_input_literal(node, type_)
        if value is Undefined:
            raise Unusual
        return _Fixed(value)
    if isinstance(node, VariableNode):
        return _variable(node, type_, Undefined)
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        return _list(node, type_.of_type)
    if isinstance(type_, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
        return _object(node, type_)
    raise Unusual  # a scalar of lists or objects, or what is no value of the type


def _variable(node: VariableNode, type_: GraphQLInputType, default: object) -> Get:
    """The variable; where it has no value `default`, or a mismatch if that is `Undefined` and it must have one."""
    name, required = node.name.value, isinstance(type_, GraphQLNonNull)

    def get(variables: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the type is
        value = variables.get(name, Undefined)
        if value is Undefined:
            value = default
            if value is not Undefined:
                return value
        if required and (value is None or value is Undefined):
            raise Mismatch
        return value

    return get


def _list(node: ValueNode, type_: GraphQLInputType) -> Get:
    items = [_literal(item, type_) for item in (node.values if isinstance(node, ListValueNode) else (node,))]

    def get(variables: dict[str, Any]) -> list[Any]:
        values = [item(variables) for item in items]
        if any(value is Undefined for value in values):
            raise Mismatch
        return values

    return get


def _object(node: ObjectValueNode, type_: GraphQLInputObjectType) -> Get:
    given = {field.name.value: field.value for field in node.fields}
    parts: list[tuple[str, Get, object, bool]] = []
    for name, field in type_.fields.items():
        if field.out_name not in {None, name}:
            raise Unusual
        default, required = _Fixed(coerce_default_value(field)).value, is_required_input_field(field)
        get = _literal(given[name], field.type) if name in given else _Fixed(Undefined)
        parts.append((name, get, default, required))
    finish = None if type_.out_type is GraphQLInputObjectType.out_type else type_.out_type
    if type_.is_one_of or not given.keys() <= type_.fields.keys():
        raise Unusual

    def build(variables: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the type makes of it
        values = {}
        for name, get, default, required in parts:
            value = get(variables)
            if value is not Undefined:
                values[name] = value
            elif required:
                raise Mismatch
            elif default is not Undefined:
                values[name] = default
        return values if finish is None else finish(values)

    return build


def _default(argument: GraphQLArgument) -> object:
    try:
        return coerce_default_value(argument)
    except TypeError:
        raise Unusual from None


def _variables(node: ValueNode) -> Iterator[VariableNode]:
    if isinstance(node, VariableNode):
        yield node
    elif isinstance(node, ListValueNode):
        for item in node.values:
            yield from _variables(item)
    elif isinstance(node, ObjectValueNode):
        for field in node.fields:
            yield from _variables(field.value)

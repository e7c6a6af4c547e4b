"""Media types and their parameters, as headers spell them (RFC 9110, section 8.3.1)."""

from __future__ import annotations

MODERN = "application/graphql-response+json"
CLASSIC = "application/json"


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """A media type or range, and its parameters, names in lower case; quoted values may not hold a semicolon."""
    name, *rest = value.split(";")
    parameters = {}
    for parameter in rest:
        key, _, text = parameter.partition("=")
        parameters[key.strip().lower()] = text.strip().strip('"')
    return name.strip().lower(), parameters

"""What a server prints once it is ready: what to open, and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api import web

if TYPE_CHECKING:
    from api.settings import Settings


def welcome(settings: Settings, port: int) -> None:
    """Prints it: one line in production."""
    if settings.production:
        print(f"Parley is ready on port {port}.", flush=True)  # noqa: T201  # the command line speaks to a person
        return
    root = f"http://localhost:{port}"
    demo = "make demo" if port == 8000 else f'make demo ARGS="--url {root}"'  # noqa: PLR2004  # where the demo looks by itself
    lines = _pages(root, settings) if web.built() else _instead(root)
    if settings.introspectable:
        lines.append(f"Reference  {root}/docs")
    lines += [
        f"API        {root}/graphql (also ws://localhost:{port}/graphql)",
        f"See it     {demo}, in another terminal",
    ]
    shown = "\n".join(f"  {line}".rstrip() for line in lines)
    print(f"\nParley is ready.\n\n{shown}\n\nCtrl-C stops it.\n", flush=True)  # noqa: T201  # as above


def _pages(root: str, settings: Settings) -> list[str]:
    return [
        f"Open       {root} in two tabs, and let them meet",
        *([f"Try        {root}/graphiql"] if settings.introspectable else []),
        f"Console    {root}/console, with the token that this prints, in another terminal:",
        "             .venv/bin/python -m api operator add Ada --role admin",
    ]


def _instead(root: str) -> list[str]:
    return [
        "The pages are missing: where Node 20.19 or newer is installed with npm, `make run` builds them.",
        "",
        f"Open       {root}",
        f"Try        curl -s {root}/graphql -H 'content-type: application/json' \\",
        """             -d '{"query": "{ stats { online waiting inCall } }"}'""",
    ]

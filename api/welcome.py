"""What a server prints once it is ready: what to open, and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.settings import Settings


def welcome(settings: Settings, port: int) -> None:
    """Prints it: one line in production."""
    if settings.production:
        print(f"Parley is ready on port {port}.", flush=True)  # noqa: T201  # the command line speaks to a person
        return
    root = f"http://localhost:{port}"
    demo = "make demo" if port == 8000 else f'make demo ARGS="--url {root}"'  # noqa: PLR2004  # where the demo looks by itself
    print(  # noqa: T201  # the command line speaks to a person
        f"""
Parley is ready.

  Open       {root}
  API        {root}/graphql (also ws://localhost:{port}/graphql)
  Try        curl -s {root}/graphql -H 'content-type: application/json' \\
               -d '{{"query": "{{ stats {{ online waiting inCall }} }}"}}'
  See it     {demo}, in another terminal

Ctrl-C stops it.
""",
        flush=True,
    )

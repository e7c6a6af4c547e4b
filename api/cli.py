"""The command line: `python -m api serve | migrate | schema | secret`."""

from __future__ import annotations

import argparse
import asyncio
import base64
import secrets
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from api.refusal import Refusal
from api.settings import SettingsError, load
from persistence.embedded import EmbeddedPostgresError

SCHEMA_FILE = Path(__file__).resolve().parent.parent / "schema.graphql"


def main(arguments: list[str]) -> int:
    """Runs one command. Returns the exit code: 0, 1 for a check that failed, 2 for a refusal with its reason on stderr."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return int(options.run(options))
    except SettingsError as error:
        return _refuse(*error.mistakes)
    except (Refusal, EmbeddedPostgresError) as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 0


def _refuse(*sentences: str) -> int:
    for sentence in sentences:
        print(f"parley: {sentence}", file=sys.stderr)
    return 2


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description="Parley: talk to people you do not know yet.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the server; settings are environment variables, see .env.example")
    serve.set_defaults(run=_serve)

    migrate = commands.add_parser("migrate", help="bring the database up to this version of the code")
    how = migrate.add_mutually_exclusive_group()
    how.add_argument(
        "--check", action="store_true", help="check, on a throw-away database, that models and migrations agree"
    )
    how.add_argument("--revise", nargs=2, metavar=("ID", "MESSAGE"), help="write the migration that models now need")
    migrate.set_defaults(run=_migrate)

    schema = commands.add_parser("schema", help="print the public schema (SDL)")
    schema.add_argument("--check", action="store_true", help="check that schema.graphql is current")
    schema.set_defaults(run=_schema)

    secret = commands.add_parser("secret", help="print a new value for PARLEY_SECRETS")
    secret.set_defaults(run=_secret)
    return parser


def _serve(_: argparse.Namespace) -> int:
    settings = load()
    from api import logs

    logs.configure(settings)
    with ExitStack() as stack:
        if settings.workers > 1:
            from api.workers import supervise

            supervise(settings, stack)
        else:
            from api.serving import serve

            serve(settings, stack)
    return 0


def _migrate(options: argparse.Namespace) -> int:
    settings = None if options.check or options.revise else load()
    from alembic.util.exc import CommandError

    from api import migrations
    from api.databases import database, throwaway_database
    from api.reach import database_reached

    if settings is None:
        with throwaway_database() as dsn:
            asyncio.run(migrations.upgrade(dsn))
            if options.revise:
                asyncio.run(migrations.revise(dsn, *options.revise))
                return 0
            try:
                asyncio.run(migrations.check(dsn))
            except CommandError as error:
                print(f"parley: models and migrations differ: {error}", file=sys.stderr)
                return 1
        return 0
    with database(settings) as source:
        before = asyncio.run(database_reached(migrations.upgrade(source.direct)))
    print(
        "The database is ahead of this code." if before is migrations.Standing.AHEAD else "The database is up to date."
    )
    return 0


def _schema(options: argparse.Namespace) -> int:
    from schema.api import sdl

    text = sdl()
    if not options.check:
        print(text, end="")
        return 0
    if SCHEMA_FILE.exists() and SCHEMA_FILE.read_text() == text:
        return 0
    print("parley: schema.graphql is not current: run `make schema`.", file=sys.stderr)
    return 1


def _secret(_: argparse.Namespace) -> int:
    print(f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(32)).decode()}")
    return 0

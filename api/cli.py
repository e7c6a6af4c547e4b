"""The command line: `python -m api serve | migrate | schema | secret | operator | transparency`."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import secrets
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from api.refusal import Refusal
from api.settings import Settings, SettingsError, load
from domain.identity import OperatorRole
from persistence.embedded import EmbeddedPostgresError

SCHEMA_FILE = Path(__file__).resolve().parent.parent / "schema.graphql"
ROLES = tuple(role.lower() for role in OperatorRole)
SIGNING_IN = (
    "The token is shown only now, and whoever has it is the operator. It signs in at /console, or with "
    'mutation { signInOperator(input: {token: "…"}) { ... on SignInOperatorSuccess { session { accessToken refreshToken } } } }'
)


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

    operator = commands.add_parser("operator", help="add, list, change and remove those who judge reports")
    _operator_commands(operator.add_subparsers(required=True, metavar="COMMAND"))

    transparency = commands.add_parser("transparency", help="print what was reported and decided in a month")
    transparency.add_argument("--month", required=True, type=_month, metavar="YYYY-MM", help="of UTC")
    transparency.add_argument("--json", action="store_true", help="print JSON instead of tables")
    transparency.set_defaults(run=_transparency)
    return parser


def _operator_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = commands.add_parser("add", help="make an operator's account, and print the token that signs them in, once")
    add.add_argument("name", metavar="NAME", help="the display name: 1 to 40 characters")
    add.add_argument("--role", required=True, choices=ROLES)
    add.set_defaults(run=_operator_add)

    listed = commands.add_parser("list", help="print ID, role, when the token was made, and name of each")
    listed.set_defaults(run=_operator_list)

    token = commands.add_parser("token", help="print a new token; the old one and its sessions end")
    role = commands.add_parser("role", help="give another role")
    remove = commands.add_parser("remove", help="take role, token and sessions; what they had claimed is open again")
    for command in (token, role, remove):
        command.add_argument("id", metavar="ID", type=UUID, help="of the operator's account, see `list`")
    token.set_defaults(run=_operator_token)
    role.add_argument("role", choices=ROLES)
    role.set_defaults(run=_operator_role)
    remove.set_defaults(run=_operator_remove)


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


def _operator_add(options: argparse.Namespace) -> int:
    from api import operators

    user, token = operators.add(_loaded(), options.name, OperatorRole(options.role.upper()))
    _tell(f"{user.display_name} ({options.role}) was added: {user.id}.", SIGNING_IN)
    print(token)
    return 0


def _operator_list(_: argparse.Namespace) -> int:
    from api import operators

    for operator in operators.listed(_loaded()):
        made = "never" if operator.token_at is None else f"{operator.token_at:%Y-%m-%dT%H:%MZ}"
        print(f"{operator.user.id}  {operator.role:<9}  {made:<17}  {operator.user.display_name}")
    return 0


def _operator_token(options: argparse.Namespace) -> int:
    from api import operators

    token = operators.renew_token(_loaded(), options.id)
    _tell("The old token is dead, and its sessions have ended.", SIGNING_IN)
    print(token)
    return 0


def _operator_role(options: argparse.Namespace) -> int:
    from api import operators

    user = operators.change_role(_loaded(), options.id, OperatorRole(options.role.upper()))
    _tell(f"{user.display_name} is {options.role} from now on.")
    return 0


def _operator_remove(options: argparse.Namespace) -> int:
    from api import operators

    user, cases = operators.remove(_loaded(), options.id)
    _tell(f"{user.display_name} is no operator any more; sessions have ended, cases that are open again: {cases}.")
    return 0


def _month(text: str) -> object:
    from api.transparency import Month

    try:
        return Month.of(text)
    except (ValueError, OverflowError):
        msg = "a month is written like 2026-11"
        raise argparse.ArgumentTypeError(msg) from None


def _transparency(options: argparse.Namespace) -> int:
    from api import transparency
    from api.clock import utc_now

    period = transparency.counted(_loaded(), options.month)
    found = transparency.figures(period, complete=options.month.complete(utc_now()))
    print(json.dumps(found, indent=2) if options.json else transparency.told(found))
    return 0


def _loaded() -> Settings:
    """The settings, for a command that prints for a script: what goes wrong inside is logged to stderr."""
    from api import logs

    settings = load()
    logs.configure(settings)
    return settings


def _tell(*sentences: str) -> None:
    """For a person: stdout holds what a script wants, and nothing else."""
    for sentence in sentences:
        print(f"parley: {sentence}", file=sys.stderr)

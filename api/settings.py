"""Settings: environment variables, validated at start with a sentence per mistake."""

from __future__ import annotations

import ipaddress
import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from api.connections.limits import SocketLimits
from api.limit_settings import LimitSettings
from api.origins import Origins

GRACE_SECONDS = 5
"""How long requests under way may take once a stopping server has drained."""
END_SECONDS = 10
"""How long the parts of a server may take to stop after that."""
MEMORY = "memory://"
EMBEDDED_WORKERS = 18
"""Our own PostgreSQL takes 300 connections, and keeps three for its superuser: a worker has 15 at most, as has one that replaces
another.
"""
REDIS = frozenset({"redis", "rediss", "valkey", "valkeys", "unix"})


class SettingsError(Exception):
    """The settings cannot be used. One sentence per mistake, in `mistakes`."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Environment(StrEnum):
    """Where Parley runs."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogLevel(StrEnum):
    """From how serious on things are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Switch(StrEnum):
    """A setting that is on or off."""

    ON = "on"
    OFF = "off"


def _listed(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Settings(LimitSettings):
    """Every setting is an environment variable, in capitals with `PARLEY_` before it. `.env.example` explains each."""

    model_config = SettingsConfigDict(
        env_prefix="PARLEY_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        str_strip_whitespace=True,
    )

    host: str = ""
    """The address to listen on; empty is every interface, IPv4 and IPv6."""
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    data_dir: Path = Path(".parley")
    database_url: str | None = Field(default=None, repr=False)
    direct_database_url: str | None = Field(default=None, repr=False)
    """The same database past a pooler, for connections that LISTEN or hold a lock; None: `database_url` leads there."""
    bus_url: str = Field(default=MEMORY, repr=False)
    environment: Environment = Environment.DEVELOPMENT
    allowed_origins: CommaSeparated = ()
    trusted_proxies: CommaSeparated = ()
    secrets: str | None = Field(default=None, repr=False)
    skip_cooldown_seconds: int = Field(default=300, ge=0, le=86_400)
    resume_seconds: int = Field(default=20, ge=1, le=600)
    drain_seconds: float | None = Field(default=None, ge=0, le=300)
    ice_urls: CommaSeparated = ("stun:stun.l.google.com:19302",)
    turn_secret: str | None = Field(default=None, repr=False)
    rate_limits: Switch = Switch.ON
    introspection: Switch | None = None
    log_level: LogLevel = LogLevel.INFO

    @field_validator("database_url", "direct_database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is not None and _scheme(value) not in {"postgresql", "postgres"}:
            msg = "must be a URL like postgresql://user:password@host:5432/database"
            raise ValueError(msg)
        return value if value is None else _understood(value)

    @field_validator("bus_url")
    @classmethod
    def _bus(cls, value: str) -> str:
        if _scheme(value) == "postgres":
            value = f"postgresql{value.removeprefix('postgres')}"
        names_a_server = _scheme(value) in REDIS and not value.endswith("://")
        if value != MEMORY and _scheme(value) != "postgresql" and not names_a_server:
            msg = (
                "must be memory://, a Redis (redis://host:6379, rediss:// with TLS, unix:///its.sock), or "
                "postgresql:// for the database's own"
            )
            raise ValueError(msg)
        return _understood(value)

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Origins.of(value, development=False)  # Raises what is to be told.
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                msg = f"must list addresses or networks like 10.0.0.0/8; {proxy!r} is not one"
                raise ValueError(msg) from error
        return value

    @field_validator("ice_urls")
    @classmethod
    def _ice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if url.partition(":")[0] not in {"stun", "stuns", "turn", "turns"}:
                msg = f"must list URLs like stun:stun.example.org or turn:turn.example.org:3478; {url!r} is not one"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.workers > 1 and not self.scaled:
            msg = (
                f"PARLEY_WORKERS is {self.workers}, and the in-memory bus lives in one process: set PARLEY_BUS_URL to a "
                "Redis or to postgresql:// (the database's own), or PARLEY_WORKERS to 1."
            )
            raise ValueError(msg)
        if self.workers > EMBEDDED_WORKERS and self.database_url is None:
            msg = (
                f"PARLEY_WORKERS is {self.workers}, and the embedded PostgreSQL has connections for {EMBEDDED_WORKERS}: set "
                "PARLEY_DATABASE_URL to a PostgreSQL of your own, or PARLEY_WORKERS to fewer."
            )
            raise ValueError(msg)
        if self.direct_database_url and not self.database_url:
            msg = "PARLEY_DIRECT_DATABASE_URL is a second way to the database of PARLEY_DATABASE_URL, which must be set too."
            raise ValueError(msg)
        if any(url.startswith(("turn:", "turns:")) for url in self.ice_urls) and not self.turn_secret:
            msg = "PARLEY_TURN_SECRET (coturn's static-auth-secret) must be set: PARLEY_ICE_URLS names a TURN server."
            raise ValueError(msg)
        if self.production and not self.secrets:
            msg = "PARLEY_SECRETS must be set in production: run `python -m api secret` and keep what it prints."
            raise ValueError(msg)
        if self.production and self.rate_limits is Switch.OFF:
            msg = "PARLEY_RATE_LIMITS may be off only outside production."
            raise ValueError(msg)
        return self

    @property
    def scaled(self) -> bool:
        """Whether several processes may serve together: what is in memory otherwise is in PostgreSQL then."""
        return self.bus_url != MEMORY

    @property
    def production(self) -> bool:
        """Whether this is a service for others."""
        return self.environment is Environment.PRODUCTION

    @property
    def introspectable(self) -> bool:
        """Whether the schema may be asked for: by setting, else in development."""
        return not self.production if self.introspection is None else self.introspection is Switch.ON

    @property
    def socket_limits(self) -> SocketLimits:
        """What one socket, one user and one network may have."""
        return SocketLimits(
            operations=self.operations_per_socket,
            mutations=self.mutations_per_socket,
            mutation_bytes=self.mutation_bytes_per_socket,
            values=self.max_values,
            sockets_per_user=self.sockets_per_user,
            strangers=self.strangers_per_network if self.rate_limits is Switch.ON else sys.maxsize,
        )

    @property
    def drain(self) -> timedelta:
        """Over how long a stopping server closes its sockets: at once in development, so that Ctrl-C is quick."""
        default = 10.0 if self.production else 0.0
        return timedelta(seconds=default if self.drain_seconds is None else self.drain_seconds)

    @property
    def patience(self) -> timedelta:
        """How long a worker that was told to stop may take altogether: then it is killed."""
        return self.drain + timedelta(seconds=GRACE_SECONDS + END_SECONDS)


def load() -> Settings:
    """The settings of this process. Raises `SettingsError`."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError([_sentence(dict(mistake)) for mistake in error.errors()]) from None


def _scheme(url: str) -> str:
    """Empty for what is not a URL."""
    try:
        return urlsplit(url).scheme if "://" in url else ""
    except ValueError:
        return ""


def _understood(url: str) -> str:
    """The URL of a server. Raises `ValueError` when its password ends the part that it belongs to: drivers take the rest for a port
    or an option, and quote it.
    """
    server, rest = urlsplit(url).netloc, url.partition("://")[2]
    port = server.rpartition(":")[2]
    if "@" in rest and "@" not in server and port != server and not port.isdecimal() and not port.endswith("]"):
        msg = "must have the special characters of its password written as %2F for /, %3F for ? and %23 for #"
        raise ValueError(msg)
    return url


def _sentence(mistake: dict[str, object]) -> str:
    message = str(mistake["msg"]).removeprefix("Value error, ")
    location = mistake["loc"]
    if not isinstance(location, tuple) or not location:
        return message
    name = f"PARLEY_{str(location[0]).upper()}"
    fault = message if message.startswith("must") else f"is not usable: {message[:1].lower()}{message[1:]}"
    return f"{name} {fault}."

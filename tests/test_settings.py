"""Settings: a sentence per mistake, and defaults that are safe where they must be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from api.buckets import ThrottleRates
from api.connections.limits import SocketLimits
from api.rate import Rate
from api.settings import Settings, SettingsError, load
from api.shared_rates import SharedRates
from schema.execution.measure import DOCUMENT_LIMITS, DocumentLimits

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the developer's environment nor their .env decides a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PARLEY_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PORT": "abc"}, "PARLEY_PORT is not usable"),
        ({"PORT": "70000"}, "PARLEY_PORT is not usable"),
        ({"ENVIRONMENT": "prod"}, "PARLEY_ENVIRONMENT is not usable"),
        ({"ALLOWED_ORIGINS": "https://a.example,foo"}, "'foo' is not one"),
        ({"ALLOWED_ORIGINS": "https://a.example/path"}, "without a path"),
        ({"ALLOWED_ORIGINS": "https://a.example:eighty"}, "'https://a.example:eighty' is not one"),
        ({"TRUSTED_PROXIES": "10.0.0.0/99"}, "'10.0.0.0/99' is not one"),
        ({"ICE_URLS": "http://stun.example"}, "PARLEY_ICE_URLS must list URLs"),
        ({"ICE_URLS": "turn:turn.example"}, "PARLEY_TURN_SECRET"),
        ({"DATABASE_URL": "mysql://x"}, "PARLEY_DATABASE_URL must be a URL like"),
        ({"DIRECT_DATABASE_URL": "localhost"}, "PARLEY_DIRECT_DATABASE_URL must be a URL like"),
        ({"DIRECT_DATABASE_URL": "postgresql://x"}, "PARLEY_DATABASE_URL, which must be set too"),
        ({"BUS_URL": "amqp://x"}, "PARLEY_BUS_URL must be memory://, a Redis"),
        ({"BUS_URL": "redis://"}, "PARLEY_BUS_URL must be memory://, a Redis"),
        ({"BUS_URL": "memory"}, "PARLEY_BUS_URL must be memory://, a Redis"),
        ({"BUS_URL": "redis://[::1"}, "PARLEY_BUS_URL must be memory://, a Redis"),
        ({"WORKERS": "4"}, "PARLEY_WORKERS is 4, and the in-memory bus lives in one process: set PARLEY_BUS_URL"),
        (
            {"WORKERS": "19", "BUS_URL": "postgresql://"},
            "PARLEY_WORKERS is 19, and the embedded PostgreSQL has connections for 18: set PARLEY_DATABASE_URL",
        ),
        *(
            ({"RATE_SIGNALS": rate}, "PARLEY_RATE_SIGNALS must be a burst and what comes back of it over time, like")
            for rate in (
                "80",
                "80/s",
                "256+80",
                "256+80/d",
                "0+1/s",
                "1+0/s",
                "1+1/0s",
                "-1+1/s",
                "256+1e3/s",
                "\u0661+1/s",
            )
        ),
        *(
            ({"RATE_ACCOUNTS": rate}, "PARLEY_RATE_ACCOUNTS must be a rate that brings the whole burst back within 365")
            for rate in ("999999999999+1/999999h", "8761+1/h")
        ),
        ({"MAX_DEPTH": "0"}, "PARLEY_MAX_DEPTH is not usable"),
        ({"MAX_COST": "many"}, "PARLEY_MAX_COST is not usable"),
        ({"MAX_PAGE": "101"}, "PARLEY_MAX_PAGE is not usable"),
        ({"MAX_FRAME": "65536"}, "PARLEY_MAX_FRAME is not usable"),
        ({"MAX_BODY": "20000000"}, "PARLEY_MAX_BODY is not usable"),
        ({"MUTATIONS_AT_ONCE": "11"}, "PARLEY_MUTATIONS_AT_ONCE is not usable"),
        ({"SOCKETS_PER_USER": "0"}, "PARLEY_SOCKETS_PER_USER is not usable"),
        (
            {"RATE_OPERATIONS_OF_USER": "15+1/s"},
            "PARLEY_RATE_OPERATIONS_OF_USER must have a burst of PARLEY_MAX_ROOTS (16)",
        ),
        ({"RATE_SIGNAL_BYTES": "1000+1/s"}, "PARLEY_RATE_SIGNAL_BYTES must have a burst of 262144 at least"),
        ({"ENVIRONMENT": "production"}, "PARLEY_SECRETS must be set in production"),
        ({"ENVIRONMENT": "production", "SECRETS": "k:x", "RATE_LIMITS": "off"}, "PARLEY_RATE_LIMITS may be off only"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    """An operator who mistypes a setting learns which one and what to write, and sees no traceback."""
    for name, value in environment.items():
        monkeypatch.setenv(f"PARLEY_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert len(caught.value.mistakes) == 1
    assert sentence in caught.value.mistakes[0]
    assert caught.value.mistakes[0].endswith(".")
    assert "\n" not in caught.value.mistakes[0]


@pytest.mark.parametrize(
    "url",
    [
        "redis://:sesame@localhost:6379/0",
        "rediss://redis.example",
        "valkey://localhost",
        "unix:///run/redis.sock",
        "postgresql://",
        "postgresql://parley@localhost/other",
    ],
)
def test_any_bus_but_the_one_in_memory_lets_several_serve(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Redis in all its forms, or the database that is there anyway."""
    assert not load().scaled
    monkeypatch.setenv("PARLEY_BUS_URL", url)
    monkeypatch.setenv("PARLEY_WORKERS", "4")
    assert load().scaled
    assert load().bus_url == url
    assert "sesame" not in repr(load())


def test_every_limit_is_set_by_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that nothing reads is worse than none: each name must reach what it limits."""
    defaults = load()
    assert defaults.document_limits == DocumentLimits()
    assert defaults.socket_limits == SocketLimits()
    assert (defaults.throttle_rates, defaults.shared_rates) == (ThrottleRates(), SharedRates())
    rates = [name for name in Settings.model_fields if name.startswith("rate_") and name != "rate_limits"]
    for name in rates:
        monkeypatch.setenv(f"PARLEY_{name.upper()}", "40000000+7000/2m")
    for name in DOCUMENT_LIMITS:
        monkeypatch.setenv(
            f"PARLEY_MAX_{name.upper()}", "1001" if name == "length" else "101" if name in {"tokens", "cost"} else "7"
        )
    monkeypatch.setenv("PARLEY_MAX_VALUES", "2000")
    for number, name in enumerate(
        (
            "sockets_per_user",
            "strangers_per_network",
            "operations_per_socket",
            "mutations_per_socket",
            "mutation_bytes_per_socket",
        )
    ):
        monkeypatch.setenv(f"PARLEY_{name.upper()}", str(number + 1))
    changed = load()
    limits = changed.document_limits
    assert all(getattr(limits, name) != getattr(DocumentLimits(), name) for name in DOCUMENT_LIMITS)
    assert changed.socket_limits == SocketLimits(
        sockets_per_user=1, strangers=2, operations=3, mutations=4, mutation_bytes=5, values=2_000
    )
    assert {*changed.throttle_rates, *changed.shared_rates} == {Rate(40_000_000, 7_000, timedelta(minutes=2))}
    assert len(rates) == len(changed.throttle_rates) + len(changed.shared_rates) + 2


def test_two_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody starts a server five times to find five mistakes."""
    monkeypatch.setenv("PARLEY_PORT", "x")
    monkeypatch.setenv("PARLEY_LOG_LEVEL", "loud")
    with pytest.raises(SettingsError) as caught:
        load()
    assert len(caught.value.mistakes) == 2


def test_secrets_are_in_no_message_and_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged or shown about settings can be pasted into an issue."""
    monkeypatch.setenv("PARLEY_SECRETS", "k1:sesame")
    monkeypatch.setenv("PARLEY_TURN_SECRET", "sesame")
    assert "sesame" not in repr(load())
    monkeypatch.setenv("PARLEY_RATE_LIMITS", "off")
    monkeypatch.setenv("PARLEY_ENVIRONMENT", "production")
    with pytest.raises(SettingsError) as caught:
        load()
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("name", ["PARLEY_DATABASE_URL", "PARLEY_DIRECT_DATABASE_URL", "PARLEY_BUS_URL"])
@pytest.mark.parametrize("password", ["hunter/2", "hunter?2", "hunter#2"])
def test_a_password_that_is_no_part_of_a_url_is_told_of_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, password: str
) -> None:
    """Drivers take what is behind it for a port or an option, and say so in a traceback with half of the password."""
    monkeypatch.setenv("PARLEY_DATABASE_URL", "postgresql:///parley")
    monkeypatch.setenv(name, f"postgresql://parley:{password}@localhost/parley")
    with pytest.raises(SettingsError) as raised:
        load()
    (sentence,) = raised.value.mistakes
    assert sentence.startswith(f"{name} must ")
    assert "%2F" in sentence
    assert "hunter" not in sentence
    monkeypatch.setenv(name, f"postgresql://parley:{quote(password, safe='')}@localhost/parley")
    load()
    monkeypatch.setenv(name, "postgresql://[::1]:5432/parley?user=ada@tenant")
    load()


def test_production_hides_the_schema_and_drains_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What helps a developer is off for strangers unless the operator wants it."""
    assert load().introspectable
    assert load().drain == timedelta()
    monkeypatch.setenv("PARLEY_ENVIRONMENT", "production")
    monkeypatch.setenv("PARLEY_SECRETS", "k1:AAAA")
    assert not load().introspectable
    assert load().drain == timedelta(seconds=10)
    monkeypatch.setenv("PARLEY_INTROSPECTION", "on")
    assert load().introspectable


def test_the_example_names_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env.example` is the operator's manual: it must not lie, and copying it must change nothing."""
    example = (ROOT / ".env.example").read_text()
    named = {line.partition("=")[0] for line in example.splitlines() if line and not line.startswith("#")}
    assert named == {f"PARLEY_{name.upper()}" for name in Settings.model_fields}
    default = load()
    (tmp_path / ".env").write_text(example)
    assert load() == default

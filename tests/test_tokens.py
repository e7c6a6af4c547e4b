"""Root secrets, access tokens and the digests of opaque tokens."""

from __future__ import annotations

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.gate import TokenExpired, TokenRefused
from api.tokens import CLAIMS, KeyedDigests, RootSecrets, SignedTokens, load_secrets
from domain.identity import Caller, Session, SessionScope

NOW = datetime(2026, 11, 21, 9, 30, 0, 250_000, tzinfo=UTC)
OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
ROOTS = RootSecrets((OLD,))
SESSION = Session(uuid4(), uuid4(), SessionScope.FULL, NOW, None)
TOKENS = SignedTokens(ROOTS)


def setting(*roots: tuple[str, bytes]) -> str:
    """Root secrets as `PARLEY_SECRETS` writes them."""
    return ",".join(f"{key_id}:{base64.b64encode(root).decode()}" for key_id, root in roots)


def signing_key(roots: RootSecrets = ROOTS) -> Ed25519PrivateKey:
    """The key that the server itself signs with: a forger has none as good."""
    return Ed25519PrivateKey.from_private_bytes(roots.derive(roots.key_ids[0], "access-token"))


def good_claims() -> dict[str, Any]:
    """What a token of ours says."""
    token, _ = TOKENS.issue(SESSION, NOW)
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed(
    claims: dict[str, Any], key: Ed25519PrivateKey | bytes | None = None, algorithm: str = "EdDSA", **headers: str
) -> str:
    """A token with whatever claims, by default signed with the server's own key."""
    return jwt.encode(claims, key or signing_key(), algorithm=algorithm, headers={"kid": "old"} | headers)


def segment(value: object) -> str:
    """A part of a token, made by hand."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# ------------------------------------------------------------------------------------------ access tokens


def test_an_access_token_names_its_session_until_it_expires() -> None:
    """A signed-in user stays so for a quarter of an hour, and the client is told to the second until when."""
    token, expires_at = TOKENS.issue(SESSION, NOW)
    assert expires_at == datetime(2026, 11, 21, 9, 45, tzinfo=UTC)
    caller = Caller(SESSION.user_id, SESSION.id, SessionScope.FULL, expires_at)
    assert TOKENS.verify(token, NOW) == caller
    assert TOKENS.verify(token, expires_at - timedelta(milliseconds=1)) == caller
    with pytest.raises(TokenExpired):
        TOKENS.verify(token, expires_at)


def test_a_token_carries_what_the_design_says_and_nothing_of_the_person() -> None:
    """Whoever finds a token in a dump of traffic learns no name and no address."""
    token, _ = TOKENS.issue(SESSION, NOW)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "JWT", "kid": "old"}
    assert set(good_claims()) == set(CLAIMS)
    assert TOKENS.issue(SESSION, NOW)[0] != token


def test_alg_none_signs_nobody_in() -> None:
    """The oldest forgery: a token that declares itself in no need of a signature."""
    for algorithm in ("none", "None", "NONE"):
        header = segment({"alg": algorithm, "typ": "JWT", "kid": "old"})
        for signature in ("", "AAAA"):
            with pytest.raises(TokenRefused):
                TOKENS.verify(f"{header}.{segment(good_claims())}.{signature}", NOW)


def test_the_public_key_is_no_shared_secret() -> None:
    """The second oldest: HS256 with the public key, which anybody may know."""
    public = signing_key().public_key().public_bytes_raw()
    with pytest.raises(TokenRefused):
        TOKENS.verify(signed(good_claims(), public, "HS256"), NOW)


def test_a_foreign_key_signs_nobody_in() -> None:
    """A token that is perfect but for who signed it is refused, under our key ID, another, and none."""
    foreign = Ed25519PrivateKey.generate()
    for key_id in ("old", "new", "../../etc/passwd"):
        with pytest.raises(TokenRefused):
            TOKENS.verify(signed(good_claims(), foreign, kid=key_id), NOW)
    with pytest.raises(TokenRefused):
        TOKENS.verify(jwt.encode(good_claims(), signing_key(), algorithm="EdDSA"), NOW)
    header = segment({"alg": "EdDSA", "typ": "JWT", "kid": ["old"]})
    with pytest.raises(TokenRefused):
        TOKENS.verify(f"{header}.{segment(good_claims())}.AAAA", NOW)


def test_a_changed_token_is_refused() -> None:
    """Nobody becomes another user, or rids themselves of a suspension, by editing their own token."""
    head, _, signature = signed(good_claims()).split(".")
    for change in ({"sub": str(uuid4())}, {"scope": "FULL", "sid": str(uuid4())}, {"exp": 2**31}):
        with pytest.raises(TokenRefused):
            TOKENS.verify(f"{head}.{segment(good_claims() | change)}.{signature}", NOW)


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_is_required(claim: str) -> None:
    """A token without its end, or without its session, could never be taken back."""
    claims = good_claims()
    del claims[claim]
    with pytest.raises(TokenRefused):
        TOKENS.verify(signed(claims), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "elsewhere"},
        {"iss": ["parley"]},
        {"aud": "elsewhere"},
        {"aud": ["parley", "elsewhere"]},
        {"sub": "me"},
        {"sub": str(UUID(int=7)).upper() + " "},
        {"sid": "{" + "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10" + "}"},
        {"sid": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**30},
        {"exp": -(10**30)},
        {"exp": 1e308},
        {"iat": None},
        {"jti": 5},
        {"scope": "EVERYTHING"},
        {"scope": ["FULL"]},
    ],
    ids=str,
)
def test_claims_of_a_wrong_kind_are_refused_and_crash_nothing(change: dict[str, Any]) -> None:
    """Even a token signed with our key, by another program of ours say, opens nothing here unless it is made for here."""
    try:
        token = signed(good_claims() | change)
    except TypeError:  # PyJWT does not write an `iss` that is no text.
        return
    with pytest.raises(TokenRefused):
        TOKENS.verify(token, NOW)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "\x00",
        "ä.ö.ü",
        "\ud800.\ud800.\ud800",
        "e30.e30.e30",
        "W10.W10.",
        "x" * 1_000_000,
    ],
    ids=lambda token: f"{len(token)} characters",
)
def test_junk_is_refused_and_crashes_nothing(token: str) -> None:
    """A scanner that sends rubbish gets the answer that everybody without a good token gets."""
    with pytest.raises(TokenRefused):
        TOKENS.verify(token, NOW)


def test_an_oversized_token_is_refused_unread() -> None:
    """A megabyte of valid token costs the server nothing."""
    with pytest.raises(TokenRefused):
        TOKENS.verify(signed(good_claims() | {"more": "x" * 4000}), NOW)


def test_an_expired_token_that_is_also_forged_is_refused() -> None:
    """Only what was good once may be told to refresh; sockets of forgers are closed for good."""
    claims = good_claims() | {"exp": int(NOW.timestamp()) - 60, "iat": int(NOW.timestamp()) - 960}
    with pytest.raises(TokenExpired):
        TOKENS.verify(signed(claims), NOW)
    with pytest.raises(TokenRefused):
        TOKENS.verify(signed(claims, Ed25519PrivateKey.generate()), NOW)


def test_a_new_root_secret_signs_nobody_out() -> None:
    """Operators rotate secrets in the middle of the day; once the old one is dropped, what it signed is refused."""
    token, _ = TOKENS.issue(SESSION, NOW)
    rotated, dropped = SignedTokens(RootSecrets((NEW, OLD))), SignedTokens(RootSecrets((NEW,)))
    assert rotated.verify(token, NOW) == TOKENS.verify(token, NOW)
    renewed, _ = rotated.issue(SESSION, NOW)
    assert jwt.get_unverified_header(renewed)["kid"] == "new"
    assert dropped.verify(renewed, NOW).session_id == SESSION.id
    with pytest.raises(TokenRefused):
        dropped.verify(token, NOW)


# ------------------------------------------------------------------------------------------ digests


def test_a_digest_survives_a_new_root_secret() -> None:
    """Refresh and device tokens of yesterday are found in the database after the operator put a new secret first."""
    before, rotated = KeyedDigests(ROOTS), KeyedDigests(RootSecrets((NEW, OLD)))
    token = before.new()
    assert rotated.digest("refresh", token) == before.digest("refresh", token)
    assert rotated.new().startswith("new.")
    assert KeyedDigests(RootSecrets((NEW,))).digest("refresh", token) != before.digest("refresh", token)


def test_digests_of_different_purposes_and_tokens_differ() -> None:
    """A device token is no refresh token, and the hash in a stolen database is neither."""
    digests = KeyedDigests(ROOTS)
    tokens = {digests.new() for _ in range(100)}
    assert len(tokens) == 100
    assert len({digests.digest(purpose, token) for purpose in ("refresh", "device") for token in tokens}) == 200
    assert {len(digests.digest("refresh", token)) for token in tokens} == {32}


@pytest.mark.parametrize("text", ["", "old", "old.", "\x00", "\ud800", "new." + "x" * 43, "203.0.113.7", "ä" * 10_000])
def test_any_text_has_a_digest(text: str) -> None:
    """A client that sends rubbish for a token is told that it is not valid, and nothing breaks."""
    assert len(KeyedDigests(ROOTS).digest("refresh", text)) == 32


def test_opaque_tokens_fit_into_a_url_and_into_a_header() -> None:
    """A front end may keep and send them without escaping."""
    token = KeyedDigests(ROOTS).new()
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert len(token) < 100


# ------------------------------------------------------------------------------------------ root secrets


def test_derived_keys_differ_by_root_and_purpose() -> None:
    """A key that leaks opens one thing, not all."""
    roots = RootSecrets((NEW, OLD))
    keys = {
        roots.derive(key_id, purpose) for key_id in ("old", "new") for purpose in ("access-token", "digest/refresh")
    }
    assert len(keys) == 4
    assert "nnnn" not in repr(roots)


def test_the_setting_lists_secrets_and_the_first_signs(tmp_path: Path) -> None:
    """What `python -m api secret` prints works, alone and before the one that it replaces; no file is made then."""
    loaded = load_secrets(f" {setting(NEW)} , {setting(OLD)} ", tmp_path / "data", production=True)
    assert loaded == RootSecrets((NEW, OLD))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k1",
        "k1:",
        ":" + base64.b64encode(b"s" * 32).decode(),
        setting(("k1", b"s" * 31)),
        setting(("k 1", b"s" * 32)),
        setting(("k" * 33, b"s" * 32)),
        setting(NEW) + ",",
        setting(NEW, NEW),
        "k1:sssssssssssss$ssssssssssssssssssssssssssssssssssss",
    ],
)
def test_a_bad_setting_is_one_sentence_that_quotes_no_secret(text: str, tmp_path: Path) -> None:
    """The operator learns what is wrong from a log that others may read."""
    with pytest.raises(ValueError, match=r"^PARLEY_SECRETS must [^.]*\.$") as refused:
        load_secrets(text, tmp_path, production=False)
    assert "c3Nzc3Nz" not in str(refused.value)
    assert "sssss" not in str(refused.value)


def test_production_without_secrets_refuses(tmp_path: Path) -> None:
    """A service for others never runs on keys that lie beside its data."""
    with pytest.raises(ValueError, match="PARLEY_SECRETS must be set in production"):
        load_secrets(None, tmp_path, production=True)
    assert not list(tmp_path.iterdir())


def test_development_keys_are_private_and_survive_a_restart(tmp_path: Path) -> None:
    """A developer who restarts the server is still signed in, and nobody else on the machine can sign as them."""
    first = load_secrets(None, tmp_path / "data", production=False)
    (file,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_secrets(None, tmp_path / "data", production=False) == first
    token, _ = SignedTokens(first).issue(SESSION, NOW)
    SignedTokens(load_secrets(None, tmp_path / "data", production=False)).verify(token, NOW)


def test_processes_that_start_at_once_agree_on_the_development_keys(tmp_path: Path) -> None:
    """Two servers of one developer, or two commands, never sign with different keys."""
    with ThreadPoolExecutor(16) as threads:
        loaded = list(threads.map(lambda _: load_secrets(None, tmp_path / "data", production=False), range(64)))
    assert len(set(loaded)) == 1
    assert len(list((tmp_path / "data").iterdir())) == 1


def test_damaged_development_keys_are_told_in_a_sentence(tmp_path: Path) -> None:
    """A disk that was full once does not end in a traceback, nor in new keys that sign everybody out in silence."""
    (tmp_path / "secrets").write_bytes(b"dev:\xff\x00")
    with pytest.raises(ValueError, match=r"secrets must list key IDs"):
        load_secrets(None, tmp_path, production=False)
    (tmp_path / "secrets").unlink()
    (tmp_path / "secrets").mkdir()
    with pytest.raises(ValueError, match=r"cannot be used \(Is a directory\)"):
        load_secrets(None, tmp_path, production=False)

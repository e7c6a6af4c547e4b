"""Keys and tokens: root secrets, what is derived from them, access tokens, and the digests of opaque tokens."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.gate import TokenExpired, TokenRefused
from domain.identity import Caller, SessionScope

if TYPE_CHECKING:
    from pathlib import Path

    from domain.identity import Session

ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)
ISSUER = "parley"
AUDIENCE = "parley"
ALGORITHM = "EdDSA"
LONGEST_ACCESS_TOKEN = 2048
"""Characters; ours have about 410."""
CLAIMS = ("iss", "aud", "sub", "sid", "exp", "iat", "jti", "scope")
DEVELOPMENT_FILE = "secrets"
ROOT_BYTES = 32
"""The least that a root secret holds: as much as is drawn from it."""

_KEY_ID = r"[A-Za-z0-9_-]{1,32}"
_OPAQUE = re.compile(rf"({_KEY_ID})\.[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, slots=True)
class RootSecrets:
    """Root secrets by key ID. The first one makes new tokens; all of them accept old ones.

    To rotate, put a new one first. Drop an old one when nothing made under it shall be good any more: access tokens last
    15 minutes, refresh tokens 30 days, and messages tagged under it can be reported for 30; a device token, an operator's, and an
    invite code that was not rotated, last until then.
    """

    roots: tuple[tuple[str, bytes], ...] = field(repr=False)
    _derived: dict[tuple[str, str], bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The one that makes new tokens first."""
        return tuple(key_id for key_id, _ in self.roots)

    def derive(self, key_id: str, purpose: str) -> bytes:
        """The 32-byte key of that purpose: HKDF-SHA256 (RFC 5869) of the root secret. Raises `KeyError` for an unknown ID. Keys
        that were asked for are kept.
        """
        key = self._derived.get((key_id, purpose))
        if key is None:
            root = dict(self.roots)[key_id]
            key = HKDF(hashes.SHA256(), length=32, salt=None, info=f"parley/{purpose}/v1".encode()).derive(root)
            self._derived[key_id, purpose] = key
        return key


def load_secrets(setting: str | None, data_dir: Path, *, production: bool) -> RootSecrets:
    """The root secrets of `PARLEY_SECRETS`; without one, outside production, those in a file of `data_dir` that is made at
    first use, so that sign-ins survive a restart. Raises `ValueError` with one sentence that quotes no secret.
    """
    if setting is not None:
        return _parsed(setting, "PARLEY_SECRETS")
    if production:
        msg = "PARLEY_SECRETS must be set in production: run `python -m api secret` and keep what it prints."
        raise ValueError(msg)
    path = data_dir / DEVELOPMENT_FILE
    try:
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        msg = f"{path} cannot be used ({error.strerror}): make it readable, or set PARLEY_SECRETS."
        raise ValueError(msg) from error
    return _parsed(text, str(path))


def _parsed(text: str, source: str) -> RootSecrets:
    roots: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), 1):
        key_id, _, encoded = part.strip().partition(":")
        try:
            root = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            root = b""
        if not re.fullmatch(_KEY_ID, key_id) or len(root) < ROOT_BYTES:
            msg = (
                f"{source} must list key IDs with base64 secrets of at least {ROOT_BYTES} bytes, as `python -m api secret` "
                f"prints them, separated by commas; number {number} is not one."
            )
            raise ValueError(msg)
        if key_id in roots:
            msg = f"{source} must name each key ID once; number {number} repeats one."
            raise ValueError(msg)
        roots[key_id] = root
    return RootSecrets(tuple(roots.items()))


def _make(path: Path) -> None:
    """Writes a new secret to `path`: whole or not at all, and whoever is first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    content = f"dev{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(ROOT_BYTES)).decode()}\n"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            if os.geteuid() == 0:  # A root's server leaves the folder usable for whom it belongs to.
                about = path.parent.stat()
                os.fchown(file.fileno(), about.st_uid, about.st_gid)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


class SignedTokens:
    """`ports.AccessTokens`: JSON Web Tokens (RFC 7519) signed with Ed25519 (RFC 8037), the key named in the header."""

    def __init__(self, roots: RootSecrets) -> None:
        keys = {
            key_id: Ed25519PrivateKey.from_private_bytes(roots.derive(key_id, "access-token"))
            for key_id in roots.key_ids
        }
        self._key_id = roots.key_ids[0]
        self._private = keys[self._key_id]
        self._public = {key_id: key.public_key() for key_id, key in keys.items()}

    def issue(self, session: Session, now: datetime) -> tuple[str, datetime]:
        """See `ports.AccessTokens`. The expiry is a whole second, as the token says it."""
        issued = int(now.timestamp())
        expires = issued + int(ACCESS_TOKEN_LIFETIME.total_seconds())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(session.user_id),
            "sid": str(session.id),
            "exp": expires,
            "iat": issued,
            "jti": secrets.token_urlsafe(16),
            "scope": session.scope.value,
        }
        token = jwt.encode(claims, self._private, algorithm=ALGORITHM, headers={"kid": self._key_id})
        return token, datetime.fromtimestamp(expires, UTC)

    def verify(self, token: str, now: datetime) -> Caller:
        """See `ports.AccessTokens`. Times are compared with `now` exactly: the clock that issued is the clock that checks."""
        caller = self._caller(token)
        if caller.expires_at <= now:
            raise TokenExpired("The access token has expired: refresh the session.")
        return caller

    def _caller(self, token: str) -> Caller:
        try:
            if len(token) > LONGEST_ACCESS_TOKEN:
                raise ValueError  # noqa: TRY301  # one answer for all that is not ours
            key = self._public[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": list(CLAIMS),
                    "strict_aud": True,
                    # PyJWT would ask the machine's clock; `verify` compares with the one that it is given.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            return Caller(
                user_id=_uuid(claims["sub"]),
                session_id=_uuid(claims["sid"]),
                scope=SessionScope(claims["scope"]),
                expires_at=_expiry(claims["iat"], claims["exp"]),
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise TokenRefused("The access token is not one of ours.") from error


def _uuid(value: Any) -> UUID:  # noqa: ANN401  # whatever JSON holds
    parsed = UUID(value) if isinstance(value, str) else None
    if parsed is None or str(parsed) != value:
        raise ValueError
    return parsed


def _expiry(issued: Any, expires: Any) -> datetime:  # noqa: ANN401  # whatever JSON holds
    if type(issued) is not int or type(expires) is not int:
        raise ValueError
    if expires - issued != ACCESS_TOKEN_LIFETIME.total_seconds():
        raise ValueError
    return datetime.fromtimestamp(expires, UTC)


class KeyedDigests:
    """`ports.Secrets`. An opaque token begins with the ID of the root secret under which it is digested, so that what the
    database holds stays good when a new root secret comes first.
    """

    def __init__(self, roots: RootSecrets) -> None:
        self._roots = roots
        self._key_ids = frozenset(roots.key_ids)

    def new(self) -> str:
        """See `ports.Secrets`: `<key ID>.<43 characters>`."""
        return f"{self._roots.key_ids[0]}.{secrets.token_urlsafe(32)}"

    def digest(self, purpose: str, token: str) -> bytes:
        """See `ports.Secrets`. Text that is no token of ours is digested under the first root secret; any text will do."""
        ours = _OPAQUE.fullmatch(token)
        key_id = ours[1] if ours and ours[1] in self._key_ids else self._roots.key_ids[0]
        key = self._roots.derive(key_id, f"digest/{purpose}")
        return hmac.digest(key, token.encode("utf-8", "surrogatepass"), hashlib.sha256)

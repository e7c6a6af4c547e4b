"""People who claim each other's key bundles until every one-time key is gone; then the same work without Parley.

Every claimer of a room takes the same share of the keys of every owner in it, so the last claim takes the last key, and none is
answered without one. What is given out twice or not at all is counted under `failures`.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from typing import TYPE_CHECKING

import asyncpg
import xeddsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from bench.load.people import JSON, Person, seated
from bench.load.watching import Usage, percentiles
from tests.acceptance import documents

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Sequence

X3DH, PQXDH = SUITES = ("X3DH_25519", "PQXDH_25519_MLKEM1024")
KEM_BYTES, SIGNATURE_BYTES, KEY_BYTES = 1568, 64, 32

BARE_TABLES = """
DROP SCHEMA IF EXISTS bare CASCADE;
CREATE SCHEMA bare;
CREATE TABLE bare.one_time_key (owner int, kind text, id int, key bytea, PRIMARY KEY (owner, kind, id));
CREATE TABLE bare.claim (
    claimer int, owner int, request text, bundle bytea, key_id int, key bytea, kem_key_id int, kem_key bytea,
    PRIMARY KEY (claimer, owner, request)
);
"""
BARE_FILL = """
INSERT INTO bare.one_time_key
SELECT owner, $1, id, $2 FROM generate_series(0, $3::int - 1) AS owner, generate_series(1, $4::int) AS id
"""
BARE_TAKE = """
DELETE FROM bare.one_time_key WHERE (owner, kind, id) = (
    SELECT owner, kind, id FROM bare.one_time_key WHERE owner = $1 AND kind = $2
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, key
"""
BARE_RECORD = "INSERT INTO bare.claim VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"


class Taken:
    """What all claimers together were given, and how long each claim took."""

    def __init__(self, kinds: int) -> None:
        self.keys: list[tuple[object, str, int]] = []
        """Whose key, of which kind, and its ID."""
        self.waits: list[float] = []
        self.failures: dict[str, int] = {}
        self._kinds = kinds

    def failed(self, what: str, count: int = 1) -> None:
        """Counts a failure; one that repeats is one line."""
        self.failures[what] = self.failures.get(what, 0) + count

    def report(self, usage: JSON, owners: int, keys: int) -> JSON:
        """The figures; `owners` had `keys` of each kind."""
        again = len(self.keys) - len(set(self.keys))
        if again:
            self.failed("keys given out twice", again)
        missing = owners * keys * self._kinds - len(self.keys)
        if missing:
            self.failed("keys not given out", missing)
        return {
            **usage,
            "claims": len(self.waits),
            "claims_per_second": len(self.waits) / usage["seconds"],
            "claim_ms": percentiles(self.waits),
            "failures": self.failures,
        }


async def claims(options: argparse.Namespace) -> JSON:
    """All keys of all owners, through Parley, and then in bare SQL on the same database, by as many claimers at once."""
    if options.keys % options.claimers:
        raise ValueError("the claimers of a room share the keys of an owner evenly")
    return {"ours": await _through_parley(options), "bare": await _in_bare_sql(options)}


async def _through_parley(options: argparse.Namespace) -> JSON:
    taken = Taken(1 + (options.suite == PQXDH))
    rooms = await seated(options.port, options.rooms, options.owners + options.claimers)
    claimers: list[Awaitable[None]] = []
    for _, people in rooms:
        member_ids = [await _publish(owner, options.suite, options.keys) for owner in people[: options.owners]]
        for place, claimer in enumerate(people[options.owners :]):
            share = (member_ids[place:] + member_ids[:place]) * (options.keys // options.claimers)
            claimers.append(_claim(claimer, share, taken))
    before = Usage.now(options.watch)
    await asyncio.gather(*claimers)
    usage = Usage.now(options.watch).since(before)
    for _, people in rooms:
        for person in people:
            person.wire.close()
    return taken.report(usage, options.rooms * options.owners, options.keys)


async def _claim(person: Person, member_ids: Sequence[str], taken: Taken) -> None:
    for number, member_id in enumerate(member_ids):
        began = time.monotonic()
        try:
            found = await person.ask(
                documents.CLAIM_KEYS, {"input": {"memberId": member_id, "requestId": f"claim {number}"}}
            )
        except (RuntimeError, TimeoutError) as error:
            taken.failed(str(error) or "no answer")
            continue
        taken.waits.append(time.monotonic() - began)
        for kind in ("oneTimePreKey", "oneTimeKemKey"):
            key = found["bundle"][kind]
            if key is not None:
                taken.keys.append((member_id, kind, key["keyId"]))


async def _publish(owner: Person, suite: str, count: int) -> str:
    """Publishes a bundle with so many one-time keys of each kind; the ID of the owner's member."""
    identity = os.urandom(KEY_BYTES)
    signing = xeddsa.priv_force_sign(identity, set_sign_bit=False)  # The point's sign is 0: XEdDSA paper, section 2.3.

    def signed(key_id: int, key: bytes) -> JSON:
        return {"keyId": key_id, "key": _text(key), "signature": _text(xeddsa.ed25519_priv_sign(signing, key))}

    def kem_key() -> bytes:
        return MLKEM1024PrivateKey.generate().public_key().public_bytes_raw()

    bundle: JSON = {
        "suite": suite,
        "identityKey": _text(xeddsa.priv_to_curve25519_pub(identity)),
        "signedPreKey": signed(1, _curve_key()),
        "oneTimePreKeys": [{"keyId": 1000 + number, "key": _text(_curve_key())} for number in range(count)],
    }
    if suite == PQXDH:
        bundle["lastResortKemKey"] = signed(2, kem_key())
        bundle["oneTimeKemKeys"] = [signed(10_000 + number, kem_key()) for number in range(count)]
    await owner.ask(documents.PUBLISH_KEYS, {"input": bundle})
    return owner.member_id


def _curve_key() -> bytes:
    return bytes(xeddsa.priv_to_curve25519_pub(os.urandom(KEY_BYTES)))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


async def _in_bare_sql(options: argparse.Namespace) -> JSON:
    kinds = {"CURVE25519": KEY_BYTES} | ({"KEM": KEM_BYTES + SIGNATURE_BYTES} if options.suite == PQXDH else {})
    owners = options.rooms * options.owners
    taken = Taken(len(kinds))
    connections = [await asyncpg.connect(options.dsn) for _ in range(options.rooms * options.claimers)]
    await connections[0].execute(BARE_TABLES)
    for kind, size in kinds.items():
        await connections[0].execute(BARE_FILL, kind, os.urandom(size), owners, options.keys)
    await connections[0].execute("VACUUM ANALYZE bare.one_time_key")
    bundle = os.urandom(2 * KEY_BYTES + SIGNATURE_BYTES + (KEM_BYTES + SIGNATURE_BYTES if "KEM" in kinds else 0))
    claimers = []
    for claimer, connection in enumerate(connections):
        room, place = divmod(claimer, options.claimers)
        here = list(range(room * options.owners, (room + 1) * options.owners))
        share = (here[place:] + here[:place]) * (options.keys // options.claimers)
        claimers.append(_take(connection, claimer, share, kinds=tuple(kinds), bundle=bundle, taken=taken))
    before = Usage.now(options.watch)
    await asyncio.gather(*claimers)
    usage = Usage.now(options.watch).since(before)
    for connection in connections:
        await connection.close()
    return taken.report(usage, owners, options.keys)


async def _take(
    connection: asyncpg.Connection,
    claimer: int,
    owners: Sequence[int],
    *,
    kinds: Sequence[str],
    bundle: bytes,
    taken: Taken,
) -> None:
    for number, owner in enumerate(owners):
        began = time.monotonic()
        async with connection.transaction():
            found = [await connection.fetchrow(BARE_TAKE, owner, kind) for kind in kinds]
            keys = [value for row in found for value in ((None, None) if row is None else (row["id"], row["key"]))]
            keys += [None] * (4 - len(keys))
            await connection.execute(BARE_RECORD, claimer, owner, f"claim {number}", bundle, *keys)
        taken.waits.append(time.monotonic() - began)
        taken.keys += [(owner, kind, row["id"]) for kind, row in zip(kinds, found, strict=True) if row is not None]

"""An encrypted conversation through the running server, with X3DH and the Double Ratchet by their own implementations."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import uuid
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

# What a report will use: the only promise here that is not kept at the API, but behind it.
from api.franking import DerivedFrankingKeys
from api.tokens import load_secrets
from domain.franking import Disclosure, Finding, FrankingTag, examine
from domain.rooms.room import Member
from tests.acceptance import documents
from tests.acceptance.client import JSON
from tests.acceptance.conftest import Newcomer, meet
from tests.acceptance.encryption import Party, end_to_end
from tests.acceptance.server import Server
from tests.encoding import base64
from tests.seats import a_seat

SETTINGS = {"log_level": "debug"}
Refused, IdentityChanged = end_to_end.Refused, end_to_end.IdentityChanged


async def together(newcomer: Newcomer, *names: str) -> list[Party]:
    """Friends in a room, in this order; nobody has published keys."""
    people = [await newcomer(name) for name in names]
    room = await people[0].create_room()
    parties = [await Party.of(people[0], room)]
    for person in people[1:]:
        joined = await person.join_room(room["inviteCode"])
        parties.append(await Party.of(person, joined["room"]))
    return parties


async def talking(newcomer: Newcomer) -> tuple[Party, Party]:
    """Ada and Ben, both with keys; Ada has claimed Ben's and may write first."""
    ada, ben = await together(newcomer, "Ada", "Ben")
    for party in (ada, ben):
        await party.publish()
    await ada.claim(ben)
    return ada, ben


# ------------------------------------------------------------------------------------------ talking


async def test_friends_talk_both_ways(newcomer: Newcomer) -> None:
    """The first message reaches somebody who has never heard of the sender's session, and every answer turns the ratchet."""
    ada, ben = await talking(newcomer)
    await ada.say(ben, "Hello Ben")
    await ada.say(ben, "are you there?")
    assert [await ben.hear(ada), await ben.hear(ada)] == ["Hello Ben", "are you there?"]
    for number in range(3):
        await ben.say(ada, f"Grüße \U0001f44b {number}")
        assert await ada.hear(ben) == f"Grüße \U0001f44b {number}"
        await ada.say(ben, f"and back {number}")
        assert await ben.hear(ada) == f"and back {number}"
    assert ada.toward(ben).safety_number == ben.toward(ada).safety_number


async def test_strangers_who_were_matched_talk(newcomer: Newcomer, interest: str) -> None:
    """Written once against rooms and members, it works for a random match as well."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    await meet(ada, ben, interest)
    parties = [await Party.of(person, (await person.ask(documents.ROOMS))["rooms"][0]) for person in (ada, ben)]
    for party in parties:
        await party.publish()
    one, other = parties
    await one.claim(other)
    await one.say(other, "asl?")
    assert await other.hear(one) == "asl?"


async def test_both_may_write_first_at_once(newcomer: Newcomer) -> None:
    """Two people who greet each other in the same second have two sessions, and must not lose a word of either."""
    ada, ben = await talking(newcomer)
    await ben.claim(ada)
    await asyncio.gather(ada.say(ben, "Hi from Ada"), ben.say(ada, "Hi from Ben"))
    assert (await ada.hear(ben), await ben.hear(ada)) == ("Hi from Ben", "Hi from Ada")
    await asyncio.gather(ada.say(ben, "one"), ben.say(ada, "two"))
    assert (await ada.hear(ben), await ben.hear(ada)) == ("two", "one")


async def test_messages_decrypt_out_of_order(newcomer: Newcomer) -> None:
    """Phones lose and delay: what was skipped is not lost, and nothing is read twice."""
    ada, ben = await talking(newcomer)
    await ada.say(ben, "1")
    assert await ben.hear(ada) == "1"
    for text in ("2", "3", "4"):
        await ada.say(ben, text)
    second, third, fourth = [await ben.received(ada) for _ in range(3)]
    conversation = ben.toward(ada)
    assert (await conversation.decrypt(third)).text == "3"
    await ben.say(ada, "meanwhile")
    assert await ada.hear(ben) == "meanwhile"
    assert (await conversation.decrypt(second)).text == "2"
    assert (await conversation.decrypt(fourth)).text == "4"
    with pytest.raises(Refused):
        await conversation.decrypt(second)


async def test_a_message_other_than_the_first_may_begin_a_session(newcomer: Newcomer) -> None:
    """Until the receiver has answered any of them may be the one that arrives first."""
    ada, ben = await talking(newcomer)
    for text in ("1", "2"):
        await ada.say(ben, text)
    first, second = [await ben.received(ada) for _ in range(2)]
    assert (await ben.toward(ada).decrypt(second)).text == "2"
    assert (await ben.toward(ada).decrypt(first)).text == "1"


async def test_history_still_decrypts_what_was_skipped(newcomer: Newcomer) -> None:
    """Somebody who was away reads what they missed from the server, which kept it byte for byte."""
    ada, ben = await talking(newcomer)
    for number in range(5):
        await ada.say(ben, f"message {number}")
    live = [await ben.received(ada) for _ in range(5)]
    conversation = ben.toward(ada)
    assert (await conversation.decrypt(live[3])).text == "message 3"

    page = await ben.person.messages(ben.room_id, first=3)
    rest = await ben.person.messages(ben.room_id, first=3, after=page["pageInfo"]["endCursor"])
    history = [edge["node"] for edge in page["edges"] + rest["edges"]]
    assert history == live
    texts = [(await conversation.decrypt(message)).text for message in history if message["id"] != live[3]["id"]]
    assert texts == ["message 0", "message 1", "message 2", "message 4"]


async def test_a_retry_is_one_message(newcomer: Newcomer) -> None:
    """A sender whose answer was lost sends again; a second copy would look like an attack to the receiver."""
    ada, ben = await talking(newcomer)
    sealed, name = await ada.toward(ben).encrypt("once"), str(uuid.uuid4())
    first, second = await ada.send(sealed, name), await ada.send(sealed, name)
    assert first == second
    await ada.say(ben, "and on")
    assert [await ben.hear(ada), await ben.hear(ada)] == ["once", "and on"]
    page = await ben.person.messages(ben.room_id)
    assert [edge["node"]["clientMessageId"] for edge in page["edges"]].count(name) == 1


# ------------------------------------------------------------------------------------------ keys


async def test_a_depleted_pool_still_lets_people_begin(newcomer: Newcomer) -> None:
    """One-time keys run out while somebody is away; without one a session is a little weaker, and not impossible."""
    ada, ben, cleo, dan = await together(newcomer, "Ada", "Ben", "Cleo", "Dan")
    await ben.publish(one_time_keys=2)
    bundles = [await party.claim(ben) for party in (ada, cleo, dan)]
    keys = [bundle["oneTimePreKey"] for bundle in bundles]
    assert [key is not None for key in keys] == [True, True, False]
    assert keys[0]["key"] != keys[1]["key"], "nobody shares a one-time key"
    retried = [await ada.person.claim_keys(ben.me, "lost") for _ in range(2)]
    assert retried[0] == retried[1]
    for party, text in ((dan, "without one"), (ada, "with the first"), (cleo, "with the last")):
        await party.say(ben, text)
        assert await ben.hear(party) == text
        answer = await ben.say(party, f"answer to {text}")
        assert await party.hear(ben, answer["id"]) == f"answer to {text}"


async def test_the_owner_is_told_to_refill_and_the_new_keys_work(newcomer: Newcomer) -> None:
    """Without refills the pool of somebody popular stays empty."""
    ada, ben, cleo = await together(newcomer, "Ada", "Ben", "Cleo")
    events = await ben.person.follow(documents.KEYS_LIVE, ben.room_id, ben.person.inbox.cursor)
    await ben.publish(one_time_keys=10)
    await ada.claim(ben)
    low = await events.until("PreKeysLow")
    assert (low["kind"], low["remaining"]) == ("CURVE25519", 9)
    added = await ben.person.run(documents.ADD_PRE_KEYS, input=ben.device.more_keys(100 - low["remaining"]))
    assert added["oneTimePreKeyCount"] == 100
    claimed = [await cleo.claim(ben) for _ in range(10)]
    assert all(bundle["oneTimePreKey"] for bundle in claimed)
    await cleo.say(ben, "with a refilled key")
    assert await ben.hear(cleo) == "with a refilled key"


async def test_a_new_identity_warns_the_others_and_the_old_one_is_not_forgotten(newcomer: Newcomer) -> None:
    """A new telephone looks exactly like somebody in the middle: only the people can tell, so they have to be asked."""
    ada, ben = await talking(newcomer)
    events = await ada.person.follow(documents.KEYS_LIVE, ada.room_id, ada.person.inbox.cursor)
    await ada.say(ben, "before")
    assert await ben.hear(ada) == "before"
    number = ada.toward(ben).safety_number

    await ben.publish()
    ben.device, ben.conversations = end_to_end.Device(), {}
    await ben.publish()
    his = {"id": ben.me, "displayName": "Ben"}
    told = [(await events.until("KeysPublished", member=his))["identityChanged"] for _ in range(3)]
    assert told == [False, False, True], "the first keys, fresh ones of the same identity, and then another identity"
    assert (await ada.person.inbox.until("KeysPublished", identityChanged=True))["member"]["id"] == ben.me
    with pytest.raises(IdentityChanged):
        await ada.claim(ben)
    await ben.claim(ada)
    await ben.say(ada, "it is me")
    unread = await ada.received(ben)
    with pytest.raises(IdentityChanged):
        await ada.toward(ben).decrypt(unread)

    (shown,) = [bundle for bundle in await ada.person.keys(ada.room_id) if bundle["member"]["id"] == ben.me]
    ada.toward(ben).accept(b64decode(shown["identityKey"]))
    assert (await ada.toward(ben).decrypt(unread)).text == "it is me"
    assert ada.toward(ben).safety_number == ben.toward(ada).safety_number != number
    await ada.say(ben, "so it is")
    assert await ben.hear(ada) == "so it is"


# ------------------------------------------------------------------------------------------ what is refused


def tampered(message: JSON, ciphertext: bytes) -> JSON:
    """The message with another ciphertext, and the hash of that one: the server could do no more."""
    tag = {**message["frankingTag"], "ciphertextHash": base64(hashlib.sha256(ciphertext).digest())}
    return {**message, "ciphertext": base64(ciphertext), "frankingTag": tag}


@pytest.mark.filterwarnings("ignore:More than 100 message keys skipped")  # the library's, for a count that was made up
async def test_no_flipped_bit_gets_past_the_receiver(newcomer: Newcomer) -> None:
    """In the session, the header or the body: one changed bit, and it is not what was sent. The genuine one is still read."""
    ada, ben = await talking(newcomer)
    await ada.say(ben, "beginning")
    conversation = ben.toward(ada)
    for beginning in (True, False):
        message = await ben.received(ada)
        genuine = b64decode(message["ciphertext"])
        for place in range(len(genuine)):
            bit = 1 << secrets.randbelow(8)
            changed = genuine[:place] + bytes([genuine[place] ^ bit]) + genuine[place + 1 :]
            with pytest.raises(Refused):
                await conversation.decrypt(tampered(message, changed))
        assert (await conversation.decrypt(message)).text == ("beginning" if beginning else "later")
        if beginning:
            await ben.say(ada, "go on")
            await ada.hear(ben)
            await ada.say(ben, "later")


async def test_no_replaced_header_gets_past_the_receiver(newcomer: Newcomer) -> None:
    """Whoever carries messages can put the head of one before the body of another, or an own key into it."""
    ada, ben = await talking(newcomer)
    for text in ("one", "two"):
        await ada.say(ben, text)
    one, two = [await ben.received(ada) for _ in range(2)]
    conversation = ben.toward(ada)
    assert (await conversation.decrypt(one)).text == "one"
    heads, tails = [end_to_end.split(b64decode(message["ciphertext"]), 6) for message in (one, two)]
    mixed = end_to_end.lp(*heads[:5], tails[5])
    session, greeting, ratchet_key, previous, number, body = tails
    own = end_to_end.Device().identity_key
    for forged in (
        mixed,
        end_to_end.lp(session, greeting, own, previous, number, body),
        end_to_end.lp(session, greeting, bytes(32), previous, number, body),
        end_to_end.lp(session, greeting, b"short", previous, number, body),
        end_to_end.lp(session, b"", ratchet_key, previous, number, body),
        end_to_end.lp(own, greeting, ratchet_key, previous, number, body),
        end_to_end.lp(session, greeting, ratchet_key, previous, b"\xff" * 4, body),
        end_to_end.lp(session, greeting, ratchet_key, previous, body),
        b"",
    ):
        with pytest.raises(Refused):
            await conversation.decrypt(tampered(two, forged))
    assert (await conversation.decrypt(two)).text == "two"


async def test_a_message_changed_in_the_database_is_refused(newcomer: Newcomer, server: Server) -> None:
    """Even the operator of the server, who can write what they like, can only make a message unreadable."""
    ada, ben = await talking(newcomer)
    sent = await ada.say(ben, "as it was")
    await ben.received(ada)
    async with database(server) as connection:
        changed = await connection.execute(
            "UPDATE message SET ciphertext = set_byte(ciphertext, 200, get_byte(ciphertext, 200) # 1) WHERE id = $1",
            uuid.UUID(sent["id"]),
        )
    assert changed == "UPDATE 1"
    (edge,) = (await ben.person.messages(ben.room_id))["edges"]
    assert edge["node"]["ciphertext"] != sent["ciphertext"]
    with pytest.raises(Refused):
        await ben.toward(ada).decrypt(edge["node"])


async def test_a_message_passed_off_as_somebody_elses_is_refused(newcomer: Newcomer) -> None:
    """A member who sends on what another wrote must not seem to have written it."""
    ada, ben, mallory = await together(newcomer, "Ada", "Ben", "Mallory")
    for party in (ada, ben, mallory):
        await party.publish()
    await ada.claim(ben)
    message = await ada.say(ben, "I love you")
    await mallory.send({"ciphertext": message["ciphertext"], "commitment": message["commitment"]})
    hers, passed_off = await ben.received(ada), await ben.received(mallory)
    with pytest.raises(Refused):
        await ben.toward(mallory).decrypt(passed_off)
    assert (await ben.toward(ada).decrypt(hers)).text == "I love you"


async def test_a_message_that_could_not_be_reported_is_refused(newcomer: Newcomer) -> None:
    """Whoever means to threaten would commit to something else, or to nothing: such a message is not shown."""
    ada, ben = await talking(newcomer)
    sealed = await ada.toward(ben).encrypt("a threat")
    await ada.send({"ciphertext": sealed["ciphertext"]})
    with pytest.raises(Refused, match="no commitment"):
        await ben.hear(ada)
    sealed = await ada.toward(ben).encrypt("another threat")
    await ada.send({**sealed, "commitment": base64(secrets.token_bytes(32))})
    with pytest.raises(Refused, match="does not open"):
        await ben.hear(ada)


# ------------------------------------------------------------------------------------------ what can be proved


async def test_what_was_received_can_be_proved_with_the_tag_of_the_api(newcomer: Newcomer, server: Server) -> None:
    """The report of a message stands or falls with this: what a client holds after receiving it is enough, and a lie is not."""
    ada, ben = await talking(newcomer)
    await ada.say(ben, "I know where you live.")
    message = await ben.received(ada)
    opened = await ben.toward(ada).decrypt(message)
    (kept,) = (await ben.person.messages(ben.room_id))["edges"]
    assert kept["node"] == message, "history gives the same evidence as the subscription"

    tag = message["frankingTag"]
    disclosure = Disclosure(
        message_id=uuid.UUID(message["id"]),
        plaintext=opened.text,
        opening_key=opened.opening_key,
        commitment=b64decode(message["commitment"]),
        tag=FrankingTag(tag["keyId"], b64decode(tag["ciphertextHash"]), b64decode(tag["tag"])),
        sent_at=datetime.fromisoformat(message["sentAt"]),
    )
    subject, reporter = await _seat(ada), await _seat(ben)
    keys, now = DerivedFrankingKeys(load_secrets(None, server.data_dir, production=False)), datetime.now(UTC)
    assert examine(disclosure, subject, reporter, keys, now) is Finding.VERIFIED
    lie = Disclosure(
        disclosure.message_id,
        "I know where you work.",
        disclosure.opening_key,
        disclosure.commitment,
        disclosure.tag,
        disclosure.sent_at,
    )
    assert examine(lie, subject, reporter, keys, now) is Finding.NOT_OPENED
    assert examine(disclosure, reporter, subject, keys, now) is Finding.FORGED_TAG, "not the sender's"
    assert examine(disclosure, subject, reporter, keys, now + timedelta(days=31)) is Finding.TOO_OLD


async def _seat(party: Party) -> Member:
    user = (await party.person.ask(documents.ME))["me"]["user"]
    return a_seat(
        id=uuid.UUID(party.me),
        room_id=uuid.UUID(party.room_id),
        user_id=uuid.UUID(user["id"]),
        display_name=user["displayName"],
    )


# ------------------------------------------------------------------------------------------ what the server knows


async def test_the_plaintext_is_nowhere_on_the_server(newcomer: Newcomer, server: Server) -> None:
    """The promise of the whole feature: no table, no file and no line of the log holds a word of what was said, in any encoding."""
    mark, name = uuid.uuid4().hex, f"Ada {uuid.uuid4().hex[:8]}"
    ada, ben = await together(newcomer, name, "Ben")
    for party in (ada, ben):
        await party.publish()
    await ada.claim(ben)
    said = [f"The treasure {mark} lies under the third oak", f"Understood, {mark}, the third oak"]
    secret: list[bytes] = []
    stored: list[JSON] = []
    for sender, receiver, text in ((ada, ben, said[0]), (ben, ada, said[1])):
        stored.append(await sender.say(receiver, text))
        opened = await receiver.toward(sender).decrypt(await receiver.received(sender))
        assert opened.text == text
        secret += [text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"), opened.opening_key]
    secret.append(mark.encode())
    hidden = [form for value in secret for form in encodings(value)]
    ciphertexts = [b64decode(message["ciphertext"]) for message in stored]

    async with database(server) as connection:
        assert set(await found_in(connection, [name.encode()])) == {
            "public.account.display_name",
            "public.member.display_name",
        }
        assert await found_in(connection, ciphertexts) == {"public.message.ciphertext": set(ciphertexts)}
        assert await found_in(connection, hidden) == {}
        await connection.execute("CHECKPOINT")
        assert holding(server.data_dir, ciphertexts), "files are searched where messages are"
        assert holding(server.data_dir, hidden) == []
        assert await found_when_put_there(connection, hidden) == {
            "public.scratch.bytes": set(hidden),
            "public.scratch.text": {form for form in hidden if _is_text(form)},
        }
    logged = server.output().encode()
    assert b"Parley is ready" in logged
    assert [form for form in hidden if form in logged] == []


def encodings(value: bytes) -> list[bytes]:
    """The value, in hexadecimal, and in base64 at each of the three places at which it may stand in something longer."""
    forms = [value, value.hex().encode(), value.hex().upper().encode()]
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):
            begin, end = (shift * 8 + 5) // 6, (shift + len(value)) * 8 // 6  # characters that the value alone decides
            forms.append(encode(bytes(shift) + value)[begin:end])
    return forms


@asynccontextmanager
async def database(server: Server) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The server's own PostgreSQL, as its operator may look into it."""
    connection = await asyncpg.connect(server.dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def found_in(connection: asyncpg.Connection[asyncpg.Record], needles: Sequence[bytes]) -> dict[str, set[bytes]]:
    """Every column of every table of ours in which a needle is, as bytes or in the value's text, with what was found there."""
    columns = await connection.fetch(
        """
        SELECT format('%I.%I', n.nspname, c.relname) AS place, a.attname AS name, a.atttypid = 'bytea'::regtype AS raw
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped
          AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        """
    )
    assert len(columns) > 50, "the tables are looked at"
    found: dict[str, set[bytes]] = {}
    for place, name, raw in columns:
        value = f'"{name}"' if raw else f"convert_to(\"{name}\"::text, 'UTF8')"
        query = f"SELECT DISTINCT n FROM {place}, unnest($1::bytea[]) AS n WHERE position(n IN {value}) > 0"  # noqa: S608 - names from the catalogue
        if rows := await connection.fetch(query, list(needles)):
            found[f"{place}.{name}"] = {bytes(row[0]) for row in rows}
    return found


async def found_when_put_there(
    connection: asyncpg.Connection[asyncpg.Record], values: Sequence[bytes]
) -> dict[str, set[bytes]]:
    """What the search finds of values that are put into a table, each amid something else; the table is gone afterwards."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("CREATE TABLE scratch (bytes bytea, text text)")
        for value in values:
            text = f"before{value.decode()}after" if _is_text(value) else None
            await connection.execute("INSERT INTO scratch VALUES ($1, $2)", b"\0\1" + value + b"\2", text)
        return await found_in(connection, values)
    finally:
        await transaction.rollback()


def _is_text(value: bytes) -> bool:
    """Whether a column of type text can hold it; what has NULs, as UTF-16 does, it cannot."""
    return value.isascii() and b"\0" not in value


def holding(folder: Path, needles: Sequence[bytes]) -> list[Path]:
    """The files below the folder that hold any of the needles, the database's own and its write-ahead log included."""
    found = []
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # PostgreSQL drops its old ones
            content = file.read_bytes() if file.is_file() else b""
            if any(needle in content for needle in needles):
                found.append(file)
    return found

"""The invariants of matching, over everything that was written to the database in a run, in the order in which it happened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.storm import HISTORY, Change, moment

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from tests.chaos.ledger import Wrongs

REMEMBERED: Final = {
    "ticket": "INSERT OR UPDATE OR DELETE",
    "pair_bar": "INSERT OR UPDATE OR DELETE",
    "suspension": "INSERT OR UPDATE",
    "connection": "INSERT OR DELETE",
    "member": "INSERT OR UPDATE OR DELETE",
    "room": "INSERT",
}
"""Tables, and which of their changes. Every write about a user happens under the lock of their head, so the numbers of the history
are drawn in the order of each user's commits.
"""
Row = dict[str, Any]


async def remember(connection: asyncpg.Connection) -> None:
    """Begins the history. Nobody has connected yet."""
    await connection.execute(HISTORY)
    for table, changes in REMEMBERED.items():
        await connection.execute(
            f"CREATE TRIGGER remember AFTER {changes} ON {table} FOR EACH ROW EXECUTE FUNCTION remember()"
        )


async def history(connection: asyncpg.Connection) -> list[Change]:
    """What was written since `remember`."""
    rows = await connection.fetch("SELECT kind, old, new FROM history ORDER BY seq")
    return [Change(row["kind"], *(row[c] and json.loads(row[c]) for c in ("old", "new"))) for row in rows]


class Replay:
    """Takes the history change by change; what breaks an invariant (their numbers are the design's) is a wrong."""

    def __init__(self, wrongs: Wrongs) -> None:
        self.wrongs = wrongs
        self.tickets: dict[str, Row] = {}
        """As they are, by ID."""
        self.matches: dict[str, list[Row]] = {}
        """Tickets that were matched, by room."""
        self.bars_in_force = 0
        """Bars that stood against some pair when they were raised."""
        self.suspensions = 0
        """That there were."""
        self._rooms: set[str] = set()
        self._seats: dict[str, set[str]] = {}
        self._seated: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._connections: dict[str, set[str]] = {}
        self._suspensions: dict[str, dict[str, Row]] = {}
        """As they are, by user and ID."""
        self._bars: dict[frozenset[str], dict[str, str | None]] = {}

    def all(self, changes: list[Change]) -> None:
        """Takes the whole history, and looks at what it leads to."""
        for change in changes:
            match change.kind:
                case "ticket":
                    self._ticket(change.old, change.new)
                case "pair_bar":
                    self._bar(change.new)
                case "suspension":
                    self._suspension(change.old, change.new)
                case "connection":
                    self._connection(change.old, change.new)
                case "member":
                    self._member(change.old, change.new)
                case "room" if change.new is not None and change.new["kind"] == "MATCH":
                    self._rooms.add(change.new["id"])
        self._end()

    def _ticket(self, old: Row | None, new: Row | None) -> None:
        if new is None:
            self.wrongs.add("7: a ticket vanished", old)
            return
        if old is not None and old["status"] != "WAITING":
            self.wrongs.add("6: an ended ticket was written again", f"{old} {new}")
        self.tickets[new["id"]] = new
        user, waiting = new["user_id"], self._waiting.get(new["user_id"])
        if new["status"] == "WAITING":
            if waiting not in {None, new["id"]}:
                self.wrongs.add("8: two tickets of one user wait", f"{waiting} {new['id']}")
            self._waiting[user] = new["id"]
        elif waiting == new["id"]:
            del self._waiting[user]
        if new["status"] == "MATCHED" and (old is None or old["status"] != "MATCHED"):
            self._matched(new)

    def _matched(self, ticket: Row) -> None:
        both = self.matches.setdefault(ticket["room_id"], [])
        both.append(ticket)
        if len(both) != 2:
            if len(both) > 2:
                self.wrongs.add("1: three tickets in one match", both)
            return
        one, other = both
        pair = frozenset((one["user_id"], other["user_id"]))
        at = moment(ticket["matched_at"])
        assert at is not None
        if len(pair) == 1:
            self.wrongs.add("2: matched with themselves", one)
        for kind, until in self._bars.get(pair, {}).items():
            end = moment(until)
            if end is None or end > at:
                self.wrongs.add(
                    "3: a barred pair met", f"{kind} until {until}, matched at {ticket['matched_at']}: {both}"
                )
        for side, partner in ((one, other), (other, one)):
            widens = moment(side["widens_at"])
            shared = not side["interests"] or set(side["interests"]) & set(partner["interests"])
            if side["mode"] != partner["mode"] or not (shared or (widens is not None and widens <= at)):
                self.wrongs.add("4: one side did not accept", both)
            if self._suspended(side["user_id"], at):
                self.wrongs.add("3: somebody suspended was matched", side)
            if not self._connections.get(side["user_id"]):
                self.wrongs.add("5: matched while detached", side)

    def _bar(self, new: Row | None) -> None:
        if new is not None:
            self._bars.setdefault(frozenset((new["low_id"], new["high_id"])), {})[new["kind"]] = new["until"]
            self.bars_in_force += 1

    def _suspension(self, old: Row | None, new: Row | None) -> None:
        if new is not None:
            self.suspensions += old is None
            self._suspensions.setdefault(new["user_id"], {})[new["id"]] = new

    def _suspended(self, user: str, at: datetime) -> bool:
        suspensions = self._suspensions.get(user, {}).values()
        ends = [moment(each["ends_at"]) for each in suspensions if each["lifted_at"] is None]
        return any(end is None or end > at for end in ends)

    def _connection(self, old: Row | None, new: Row | None) -> None:
        row = new or old
        assert row is not None
        held = self._connections.setdefault(row["user_id"], set())
        (held.add if new else held.discard)(row["id"])

    def _member(self, old: Row | None, new: Row | None) -> None:
        if new is None or new["room_kind"] != "MATCH":
            return
        user = new["user_id"]
        self._seats.setdefault(new["room_id"], set()).add(user)
        if new["left_at"] is None:
            if self._seated.setdefault(user, new["id"]) != new["id"]:
                self.wrongs.add("13: two open matches of one user", f"{self._seated[user]} {new}")
        elif old is not None and old["left_at"] is None and self._seated.pop(user, None) != new["id"]:
            self.wrongs.add("13: a seat ended that was not held", new)

    def _end(self) -> None:
        for ticket in self.tickets.values():
            if ticket["status"] == "WAITING":
                self.wrongs.add("7: a ticket never ended", ticket)
        for room in self._rooms | self._seats.keys() | self.matches.keys():
            users = {ticket["user_id"] for ticket in self.matches.get(room, [])}
            if len(users) != 2 or self._seats.get(room) != users:
                self.wrongs.add(
                    "9: a match is not whole", f"{room}: tickets of {users}, seats of {self._seats.get(room)}"
                )

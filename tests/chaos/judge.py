"""Somebody who judges while everything fails: who was reported is kept from matching for a few seconds, and then let back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.acceptance import documents
from tests.acceptance.client import GraphQLFailure
from tests.chaos.people import Person

if TYPE_CHECKING:
    from tests.acceptance.client import JSON
    from tests.chaos.client import Client
    from tests.chaos.people import Town

ROUND_SECONDS: Final = 4.0
"""From one look at the queue to the next, on average: as long is somebody suspended."""
MOST_AT_ONCE: Final = 5
REASON: Final = "Chaos."


class Judge(Person):
    """Takes what waits, suspends, and lifts it in the next round. Nobody is suspended any more when their life ends."""

    def __init__(self, client: Client, town: Town) -> None:
        super().__init__(client, town)
        self._suspensions: list[str] = []

    async def live(self) -> None:
        while not self.town.closing.is_set():
            await self._lift_all()
            for case_id in await self._waiting():
                await self._suspend(case_id)
            await self.pause(ROUND_SECONDS)
        await self._lift_all()

    async def _waiting(self) -> list[str]:
        try:
            connection = await self.client.ask(documents.CASES, statuses=["OPEN"])
        except GraphQLFailure as failure:
            self.town.wrongs.add("refused", f"{self.client.name}: {failure.errors}")
            return []
        return [edge["node"]["id"] for edge in connection["edges"][:MOST_AT_ONCE]]

    async def _suspend(self, case_id: str) -> None:
        if await self.act(documents.CLAIM_CASE, input={"caseId": case_id}) is None:
            return
        verdict: JSON = {"caseId": case_id, "decision": "SUSPEND", "reason": REASON, "scope": "MATCHING"}
        decided = await self.act(documents.DECIDE_CASE, input={**verdict, "duration": {"hours": 1}})
        if decided is None:  # Nobody else judges, and no fault lasts as long as a claim holds.
            self.town.wrongs.add("claimed, and not decided", case_id)
        else:
            self._suspensions.append(decided["case"]["suspension"]["id"])

    async def _lift_all(self) -> None:
        while self._suspensions:
            lifted = await self.act(documents.LIFT, input={"suspensionId": self._suspensions[-1], "reason": REASON})
            if lifted is None:
                self.town.wrongs.add("suspended, and not lifted", self._suspensions[-1])
            self._suspensions.pop()

"""What stands in for asyncio's event and queue on every socket."""

from __future__ import annotations

import asyncio

from api.connections.slim import SlimEvent, SlimQueue


async def test_an_event_lets_everybody_pass_who_waits_and_holds_who_comes_later() -> None:
    """A sender that is forgotten never tells its client anything again."""
    event = SlimEvent()
    await event.wait()
    event.clear()
    waiting = [asyncio.create_task(event.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # A sender that gives up takes nobody with it.
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting[1:])
    event.set()
    event.clear()
    await asyncio.gather(*waiting[1:])
    late = asyncio.create_task(event.wait())
    await asyncio.sleep(0)
    assert not late.done()
    event.set()
    await late


async def test_what_was_received_is_taken_in_its_order_and_waited_for() -> None:
    """A candidate that overtakes its offer breaks the call; a message that is lost to a reader that gave up, too."""
    received = SlimQueue()
    gave_up = asyncio.create_task(received.get())
    await asyncio.sleep(0)
    gave_up.cancel()
    reader = asyncio.create_task(received.get())
    await asyncio.sleep(0)
    for message in ("offer", "candidate", "bye"):
        received.put_nowait(message)
    assert not received.empty()
    assert [await reader, await received.get(), await received.get()] == ["offer", "candidate", "bye"]
    assert received.empty()

"""The matchmaking pool, by what its users would suffer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from domain.matchmaking.commit import Refusal
from domain.matchmaking.pool import Pair, Pool, PoolTicket

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NEVER = timedelta(days=1)


def ticket(
    number: int,
    *,
    interests: str = "",
    languages: str = "",
    queued: datetime | None = None,
    patience: timedelta = NEVER,
    mode: str = "VIDEO",
    attached: bool = True,
) -> PoolTicket:
    """Ticket `number` of user `number`, queued in the order of the numbers unless said otherwise."""
    enqueued_at = queued or NOW - SECOND + timedelta(microseconds=number)
    return PoolTicket(
        id=UUID(int=10**9 + number),
        user_id=UUID(int=number),
        mode=mode,
        interests=frozenset(interests.split()),
        languages=frozenset(languages.split()),
        enqueued_at=enqueued_at,
        widens_at=enqueued_at + patience,
        attached=attached,
    )


def pool_of(*tickets: PoolTicket) -> Pool:
    """A pool in which these wait."""
    pool = Pool()
    for one in tickets:
        pool.put(one, NOW)
    return pool


def numbers(pairs: list[Pair]) -> list[tuple[int, int]]:
    """Who was proposed to whom."""
    return [(pair.first.user_id.int, pair.second.user_id.int) for pair in pairs]


def propose(pool: Pool, now: datetime = NOW) -> list[tuple[int, int]]:
    """One tick without bounds."""
    return numbers(pool.propose(now, 1_000_000))


def bar(pool: Pool, one: int, other: int, until: datetime | None) -> None:
    """Bars two users by number."""
    pool.bar(UUID(int=one), UUID(int=other), until)


# ------------------------------------------------------------------------------------------ who suits whom


def test_those_who_waited_longest_meet_first() -> None:
    """Whoever came first should not watch others being served first."""
    assert propose(pool_of(*map(ticket, (5, 3, 1, 4, 2, 6)))) == [(1, 2), (3, 4), (5, 6)]


def test_two_newcomers_do_not_overtake_somebody_who_waits_for_one_of_them() -> None:
    """Whoever wants to talk about chess alone waits long enough as it is, without every player being given to the next in line."""
    pool = pool_of(ticket(1, interests="chess"))
    assert propose(pool) == []
    pool.put(ticket(2, interests="tea"), NOW)
    pool.put(ticket(3, interests="tea chess"), NOW)
    assert propose(pool) == [(1, 3)]
    pool.put(ticket(4, interests="tea"), NOW)
    assert propose(pool) == [(2, 4)]


@pytest.mark.parametrize("interests", [("a", "b"), ("b", "a")])
def test_the_oldest_of_several_partners_is_chosen_whatever_they_share(interests: tuple[str, str]) -> None:
    """Waiting counts, not which interest was written first."""
    pool = pool_of(ticket(1, interests=interests[0]), ticket(2, interests=interests[1]))
    assert propose(pool) == []
    pool.put(ticket(3, interests="a b c"), NOW)
    pool.put(ticket(4, interests="c"), NOW)
    assert propose(pool) == [(1, 3)]


def test_nobody_meets_somebody_of_another_mode() -> None:
    """Who wants to type must not be put before a camera, however long both have waited."""
    assert propose(pool_of(ticket(1, mode="TEXT", patience=SECOND), ticket(2, patience=SECOND)), NOW + SECOND) == []


def test_an_empty_list_accepts_anyone_but_is_not_accepted_by_everyone() -> None:
    """A person who asked for chess waits for chess, though the other would talk about anything."""
    assert propose(pool_of(ticket(1, interests="chess"), ticket(2))) == []


def test_every_dimension_counts() -> None:
    """A shared interest is of no use without a shared language."""
    pool = pool_of(ticket(1, interests="tea", languages="de"), ticket(2, interests="tea", languages="en fr"))
    assert propose(pool) == []
    pool.put(ticket(3, interests="jazz tea", languages="fr"), NOW)
    assert propose(pool) == [(2, 3)]


def test_widening_matches_when_both_have_widened() -> None:
    """Patience that ran out ends the wait by itself, without anybody doing anything."""
    pool = pool_of(ticket(1, interests="chess", patience=3 * SECOND), ticket(2, interests="jazz", patience=5 * SECOND))
    assert propose(pool) == []
    assert pool.next_wake() == ticket(1).enqueued_at + 3 * SECOND
    assert propose(pool, NOW + 3 * SECOND) == []
    wake = pool.next_wake()
    assert wake == ticket(2).enqueued_at + 5 * SECOND
    assert propose(pool, wake - timedelta(microseconds=1)) == []
    assert propose(pool, wake) == [(1, 2)]


def test_widening_makes_one_acceptable_to_those_who_take_anyone() -> None:
    """A person without wishes may be met as soon as the one with wishes gave them up."""
    pool = pool_of(ticket(1, interests="chess", languages="de", patience=3 * SECOND), ticket(2))
    assert propose(pool) == []
    assert propose(pool, NOW + 3 * SECOND) == [(1, 2)]


def test_changed_preferences_match_at_once() -> None:
    """Who adds an interest to get on should get on."""
    pool = pool_of(ticket(1, interests="chess"), ticket(2, interests="jazz"))
    assert propose(pool) == []
    pool.put(ticket(2, interests="jazz chess"), NOW)
    assert propose(pool) == [(1, 2)]


def test_preferences_that_were_changed_no_longer_match() -> None:
    """Who gave up an interest must not be matched by it."""
    pool = pool_of(*(ticket(number, interests="chess") for number in (1, 2, 3)))
    pool.put(ticket(1, interests="jazz"), NOW)
    assert propose(pool) == [(2, 3)]


def test_more_patience_undoes_the_widening() -> None:
    """Who decides to wait for the right one after all should not get the next best."""
    pool = pool_of(ticket(1, interests="chess", patience=SECOND), ticket(2))
    pool.bar(UUID(int=1), UUID(int=2), NOW + 2 * SECOND)
    assert propose(pool, NOW + SECOND) == []
    pool.put(ticket(1, interests="chess", patience=60 * SECOND), NOW + SECOND)
    assert propose(pool, NOW + 2 * SECOND) == []
    assert propose(pool, NOW + 60 * SECOND) == [(1, 2)]


def test_times_are_compared_across_time_zones() -> None:
    """A database session in another time zone must not reorder the queue."""
    early = ticket(1, queued=NOW.astimezone(timezone(timedelta(hours=9))))
    assert propose(pool_of(ticket(2, queued=NOW + SECOND), early)) == [(1, 2)]


# ------------------------------------------------------------------------------------------ held apart


def test_the_head_of_the_queue_in_cooldown_with_everyone_does_not_block_the_others() -> None:
    """One person whom everybody skipped must not stop everybody."""
    pool = pool_of(*map(ticket, range(6)))
    for other in range(1, 6):
        bar(pool, 0, other, NOW + SECOND)
    assert propose(pool) == [(1, 2), (3, 4)]


def test_the_forty_first_candidate_is_found_behind_forty_barred_ones() -> None:
    """A legal partner further back must not stay hidden."""
    pool = pool_of(ticket(0), *(ticket(number, interests=f"i{number}") for number in range(1, 41)))
    pool.put(ticket(0, interests=" ".join(f"i{number}" for number in range(1, 42))), NOW)
    for other in range(1, 41):
        bar(pool, 0, other, None)
    assert propose(pool) == []
    pool.put(ticket(41, interests="i41"), NOW)
    assert propose(pool) == [(0, 41)]


def test_a_legal_candidate_behind_ten_thousand_barred_ones_is_found_in_few_short_ticks() -> None:
    """Bounded work in a tick must not mean that the same front of the queue is searched in every tick."""
    pool = pool_of(*map(ticket, range(10_002)))
    for other in range(1, 10_001):
        bar(pool, 0, other, None)
    found: list[tuple[int, int]] = []
    for _ in range(10_002 // 500 + 1):
        found += numbers(pool.propose(NOW, limit=1, effort=500))
    assert found[0] == (0, 10_001)


def test_those_who_left_do_not_hide_those_who_stood_before_them() -> None:
    """One who waits must not be lost from sight because somebody behind them left."""
    pool = pool_of(*map(ticket, (1, 2, 3)))
    for pair in ((1, 2), (2, 3), (1, 3), (3, 4)):
        bar(pool, *pair, None)
    pool.remove(ticket(2).id)
    assert propose(pool) == []
    pool.put(ticket(4), NOW)
    assert propose(pool) == [(1, 4)]


def test_a_search_cut_short_goes_on_after_the_tickets_around_it_have_changed() -> None:
    """People who come and go meanwhile must not send the one who searches back to the beginning, or past a partner."""
    pool = pool_of(*map(ticket, range(200)))
    for other in range(1, 199):
        bar(pool, 0, other, None)
    assert pool.propose(NOW, limit=1, effort=100) == []
    for gone in range(1, 150):
        pool.remove(ticket(gone).id)
    bar(pool, 0, 150, NOW)
    found: list[tuple[int, int]] = []
    for _ in range(100):
        found += numbers(pool.propose(NOW, limit=1, effort=20))
    assert (0, 199) in found or (0, 150) in found
    assert len(found) == 25


def test_the_end_of_a_cooldown_matches() -> None:
    """Two who are alone in the queue meet again when they may, without one of them joining anew."""
    pool = pool_of(ticket(1), ticket(2))
    bar(pool, 1, 2, NOW + 5 * SECOND)
    assert propose(pool) == []
    assert pool.next_wake() == NOW + 5 * SECOND
    assert propose(pool, NOW + 5 * SECOND - timedelta(microseconds=1)) == []
    assert propose(pool, NOW + 5 * SECOND) == [(1, 2)]


def test_a_cooldown_holds_in_both_directions() -> None:
    """Who was skipped does not get the skipper back because he stands before him in the queue."""
    for one, other in ((1, 2), (2, 1)):
        pool = pool_of(ticket(1), ticket(2))
        bar(pool, one, other, NOW + SECOND)
        assert propose(pool) == []


def test_a_cooldown_outlives_the_ticket() -> None:
    """Leaving the queue and joining again is no way around a skip."""
    pool = pool_of(ticket(1))
    bar(pool, 1, 2, NOW + 5 * SECOND)
    pool.remove(ticket(1).id)
    pool.put(replace(ticket(1), id=UUID(int=7)), NOW)
    pool.put(ticket(2), NOW)
    assert propose(pool) == []
    assert propose(pool, NOW + 5 * SECOND) == [(1, 2)]


def test_a_block_never_ends_by_itself_and_an_unblock_matches() -> None:
    """A block holds until it is taken back; then nobody has to join anew."""
    pool = pool_of(ticket(1), ticket(2))
    bar(pool, 1, 2, None)
    assert propose(pool, NOW + timedelta(days=1000)) == []
    assert pool.next_wake() is None
    bar(pool, 2, 1, NOW)
    assert pool.next_wake() == NOW
    assert propose(pool, NOW + timedelta(days=1000)) == [(1, 2)]


def test_a_refused_pair_waits_and_others_do_not() -> None:
    """A pair that the database refuses must not be proposed in every tick in place of pairs that can meet."""
    pool = pool_of(*map(ticket, (1, 2, 3)))
    [pair] = pool.propose(NOW, 10)
    pool.refuse(pair, Refusal.SEATED, NOW + 2 * SECOND)
    assert pool.refusals == {Refusal.SEATED: 1}
    assert propose(pool) == [(1, 3)]
    pool = pool_of(ticket(1), ticket(2))
    [pair] = pool.propose(NOW, 10)
    pool.refuse(pair, Refusal.DETACHED, NOW + 2 * SECOND)
    assert propose(pool) == []
    assert pool.next_wake() == NOW + 2 * SECOND
    assert propose(pool, NOW + 2 * SECOND) == [(1, 2)]


# ------------------------------------------------------------------------------------------ one's place


def test_a_requeued_ticket_with_its_old_place_goes_first() -> None:
    """Who lost a partner by no fault of their own does not start again at the end of the queue."""
    pool = pool_of(*(ticket(number, interests="x") for number in (1, 2, 3)))
    [pair] = pool.propose(NOW, 1)
    pool.settle(pair)
    pool.put(replace(ticket(1), id=UUID(int=7)), NOW)
    pool.put(ticket(4), NOW)
    pool.put(ticket(5), NOW)
    assert propose(pool) == [(1, 4)]


def test_a_paused_ticket_is_not_offered_and_keeps_its_place() -> None:
    """A lost connection costs nobody their place, and nobody is matched with one who is not there."""
    pool = pool_of(ticket(1), ticket(2, attached=False))
    assert propose(pool) == []
    assert (len(pool), pool.available, pool.paused, pool.proposed) == (2, 1, 1, 0)
    pool.put(ticket(1, attached=False), NOW)
    pool.put(ticket(3), NOW)
    pool.put(ticket(2), NOW)
    pool.put(ticket(1), NOW)
    assert propose(pool) == [(1, 2)]


def test_two_tickets_of_one_user_do_not_meet() -> None:
    """Nobody talks to themselves because the end of their last ticket was heard of late."""
    pool = pool_of(ticket(1), replace(ticket(2), user_id=UUID(int=1)))
    assert propose(pool) == []
    assert len(pool) == 1


def test_nobody_is_proposed_twice_while_a_commit_is_under_way() -> None:
    """A person in two matches would leave one of two strangers waiting in an empty room."""
    pool = pool_of(*map(ticket, range(1, 6)))
    first = pool.propose(NOW, 1)
    second = pool.propose(NOW, 10)
    assert numbers([*first, *second]) == [(1, 2), (3, 4)]
    pool.reload([ticket(number) for number in range(1, 6)], [], NOW)
    assert propose(pool) == []
    assert pool.proposed == 4


def test_a_commit_that_crashed_gives_both_back_at_once() -> None:
    """The partner of a leaver, and the next in line, must not be dropped from the queue for good."""
    pool = pool_of(*map(ticket, range(1, 5)))
    one, other = pool.propose(NOW, 10)
    pool.give_back(other)
    pool.give_back(one)
    pool.give_back(one)
    assert propose(pool) == [(1, 2), (3, 4)]


def test_the_partner_of_one_who_left_during_the_commit_meets_the_next() -> None:
    """Somebody else's leaving must not strand me."""
    pool = pool_of(ticket(1), ticket(2), ticket(3))
    [pair] = pool.propose(NOW, 10)
    pool.remove(pair.first.id)
    pool.refuse(pair, Refusal.GONE, NOW + SECOND)
    assert propose(pool) == [(2, 3)]


def test_what_changes_during_a_commit_counts_after_it() -> None:
    """Preferences changed in that moment are neither lost nor a way into two matches."""
    pool = pool_of(ticket(1), ticket(2), ticket(3))
    [pair] = pool.propose(NOW, 10)
    pool.put(ticket(1, interests="chess"), NOW)
    pool.put(ticket(2, attached=False), NOW)
    assert propose(pool) == []
    pool.refuse(pair, Refusal.CHANGED, NOW + SECOND)
    assert propose(pool) == []
    assert pool.paused == 1


def test_an_outdated_answer_does_not_free_a_ticket_that_is_in_another_proposal() -> None:
    """A late answer about an earlier proposal must not put somebody into two."""
    pool = pool_of(ticket(1), ticket(2))
    [pair] = pool.propose(NOW, 1)
    pool.remove(ticket(1).id)
    pool.put(ticket(1), NOW)
    pool.put(ticket(3), NOW)
    assert propose(pool) == [(1, 3)]
    pool.give_back(pair)
    assert propose(pool) == []
    assert (pool.proposed, pool.available) == (2, 1)


def test_a_reload_drops_the_gone_finds_the_new_and_lifts_bars_that_are_no_more() -> None:
    """Whatever the matcher failed to hear is put right within half a minute."""
    pool = pool_of(ticket(1), ticket(2), ticket(3))
    bar(pool, 1, 2, None)
    bar(pool, 1, 3, None)
    bar(pool, 2, 3, None)
    assert propose(pool) == []
    pool.reload(
        [ticket(2), ticket(3), ticket(4)], [(UUID(int=3), UUID(int=2), None), (UUID(int=4), UUID(int=2), None)], NOW
    )
    assert propose(pool) == [(3, 4)]
    pool = pool_of(ticket(1), ticket(2))
    bar(pool, 1, 2, None)
    assert propose(pool) == []
    pool.reload([ticket(1), ticket(2)], [], NOW)
    assert propose(pool) == [(1, 2)]


# ------------------------------------------------------------------------------------------ work and memory


def test_an_idle_tick_looks_at_nobody() -> None:
    """A full queue in which nobody suits must not keep the matcher from serving those who do."""
    pool = pool_of(*(ticket(number, interests=f"i{number}") for number in range(2000)))
    assert propose(pool) == []
    assert not pool.busy
    pool.put(ticket(3000, interests="i1999"), NOW)
    assert numbers(pool.propose(NOW, 1, effort=5)) == [(1999, 3000)]


def test_a_limit_or_effort_that_stopped_the_search_is_seen() -> None:
    """The matcher goes on at once, and does not wait for its next tick, while somebody could be matched."""
    pool = pool_of(*map(ticket, range(4)))
    assert len(pool.propose(NOW, limit=1)) == 1
    assert pool.busy
    assert pool.propose(NOW, limit=0) == []
    assert len(pool.propose(NOW, limit=9)) == 1
    assert not pool.propose(NOW, limit=9)
    assert not pool.busy


def test_memory_does_not_grow_with_what_has_passed() -> None:
    """A matcher that runs for months, with users whose connections flap, must not fill up."""
    pool = pool_of(ticket(1, interests="a b", languages="de"), ticket(2, interests="c"), ticket(3, interests="a"))
    bar(pool, 1, 3, None)
    for round_ in range(2000):
        pool.put(ticket(1, interests="a b", languages="de", attached=bool(round_ % 2), patience=NEVER), NOW)
        pool.put(ticket(2, interests=f"c{round_}", patience=NEVER + (round_ % 3) * SECOND), NOW)
        bar(pool, 1, 2, NOW + SECOND * (round_ % 3 + 1))
        bar(pool, 50 + round_, 2, NOW - SECOND)
        pool.propose(NOW, limit=1, effort=1 if round_ % 10 else 1000)
    assert len(pool._seeds) < 200
    assert len(pool._widenings) < 200
    assert len(pool._bars._ends) < 3 * 2000
    pool.propose(NOW + timedelta(days=2), limit=0)
    for bars in (pool._bars, pool._refused):
        assert len(bars._ends) < 200
    assert len(pool._bars) == 1
    for one in (1, 2, 3):
        pool.remove(ticket(one).id)
    assert not any(pool._buckets._shelves.values())
    assert not pool.propose(NOW + timedelta(days=2), limit=1)
    assert (len(pool), len(pool._seeds), len(pool._widenings)) == (0, 0, 0)

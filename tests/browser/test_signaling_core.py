"""web/core/signaling.ts, which front ends copy: with real peer connections in Chromium, whatever the wire between them does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.acceptance.server import Server
from tests.browser.bundling import bundled
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page

    from tests.browser.conftest import NewPage

NOWHERE = "http://localhost/nowhere"
"""A secure context, or there would be no camera."""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module and its harness in one script."""
    return bundled("signaling", tmp_path_factory.mktemp("signaling"))


async def prepared(page: Page, url: str, harness: Path) -> Page:
    """The page, with the harness and nothing else in it."""
    await page.route("**/favicon.ico", lambda route: route.fulfill())
    await page.goto(url)
    await page.add_script_tag(path=harness)
    return page


async def run(page: Page, script: str, argument: object = None) -> Any:  # noqa: ANN401 - JSON of any shape
    """What the body of a function in the page returns, which has everything of the harness, and `argument`."""
    names = "Side, pair, settled, moving, until, state, pause, random, camera, silence, told: heard, follow, createClient, Peer"
    async with asyncio.timeout(2 * DEADLINE):
        return await page.evaluate(f"async (argument) => {{ const {{ {names} }} = harness; {script} }}", argument)


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_page: NewPage, harness: Path) -> Page:
    """With the harness, without a server."""
    page = await new_page()
    await page.route(NOWHERE, lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    return await prepared(page, NOWHERE, harness)


MET = """
const { polite, impolite } = pair();
for (const side of [polite, impolite]) side.start(await camera());
const both = [polite, impolite];
const well = () => settled(...both);
await until(well, () => state(...both));
"""
"""The beginning of a test of two who are in a call."""


async def test_two_meet_by_one_offer_and_see_each_other_move(page: Page) -> None:
    """The impolite side offers and the polite answers, both with all of their media: one round trip until the first picture."""
    told = await run(
        page,
        MET + "await moving(...both); await until(() => both.every(({ sent }) => sent.some(({ signal }) =>"
        " signal.candidates?.endOfCandidates)), () => state(...both));"
        "return both.map(({ kinds, opened, faults, configured }) => [kinds, opened.length, faults, configured])",
    )
    (answering, *one), (offering, *other) = told
    assert one == other == [1, [], 1]
    assert offering[0] == "offer"
    assert answering[0] == "answer"
    assert set(offering[1:]) == set(answering[1:]) == {"candidates"}


async def test_someone_without_media_is_called_and_sees_the_other(page: Page) -> None:
    """Who has no camera has nothing to offer by themselves; the call comes about nevertheless, whichever side they are."""
    await run(
        page,
        """
        for (const seeing of ['polite', 'impolite']) {
          const both = pair(), { polite, impolite } = both;
          for (const side of [polite, impolite]) side.start(...(side === both[seeing] ? [] : [await camera()]));
          await until(() => settled(polite, impolite), () => state(polite, impolite));
          await moving(both[seeing]);
        }
        """,
    )


async def test_whoever_changes_something_at_the_same_time_both_changes_hold(page: Page) -> None:
    """Glare: an offer of each crosses the other's. Whatever the delays, both end in the stable state with all tracks."""
    collisions = await run(
        page,
        """
        let collisions = 0;
        await Promise.all(Array.from({ length: 6 }, async (_, lane) => {
          const draw = random(lane + 1);
          const { polite, impolite } = pair();
          const both = [polite, impolite];
          for (const side of both) {
            side.delay = () => Math.floor(draw() * 12);
            side.twice = lane % 2 === 1;
            side.start(silence());
          }
          await until(() => settled(...both), () => [lane, state(...both)]);
          for (let round = 0; round < 8; round++) {
            const changes = both.map(async (side) => {
              await pause(Math.floor(draw() * 8));
              if (draw() < 0.2) side.peer.restart();
              side.add(silence());
            });
            await Promise.all(changes);
            if (draw() < 0.7) await until(() => settled(...both), () => ['round', lane, round, state(...both)]);
          }
          await until(() => settled(...both), () => [lane, state(...both)]);
          const count = (side, kind) => side.kinds.filter((one) => one === kind).length;
          collisions += count(polite, 'offer') - count(impolite, 'answer');
          if (both.some(({ faults, opened }) => faults.length > 0 || opened.length > 1))
            throw new Error(JSON.stringify(state(...both)));
          for (const { peer } of both) peer.close();
        }));
        return collisions;
        """,
    )
    assert collisions > 5, "hardly anything collided"


async def test_of_two_who_call_at_once_one_call_is_left(page: Page) -> None:
    """Both reload the page, or both ask for a new call: the calls have different names, and it is not left open which holds."""
    await run(
        page,
        """
        await Promise.all(Array.from({ length: 8 }, async (_, lane) => {
          const draw = random(lane + 100);
          const { polite, impolite } = pair();
          const both = [polite, impolite];
          for (const side of both) {
            side.delay = () => Math.floor(draw() * 10);
            side.twice = lane % 2 === 1;
            side.start(silence());
            if (draw() < 0.9) side.peer.restart();
            await pause(Math.floor(draw() * 10));
          }
          await until(() => settled(...both), () => [lane, state(...both)]);
          for (const { peer } of both) peer.close();
        }));
        """,
    )


async def test_candidates_wait_for_the_description_that_they_belong_to(page: Page) -> None:
    """Other clients may send them by another way than descriptions; without them nobody finds the other."""
    await run(
        page,
        """
        const { polite, impolite } = pair();
        let open;
        impolite.gate = new Promise((resolve) => (open = resolve));
        impolite.start(await camera());
        await until(() => impolite.sent.some(({ signal }) => signal.candidates?.endOfCandidates), () => state(impolite));
        // Where the polite side is stays with it: it is found by finding the other.
        polite.other = { peer: { receive: (told) => told.signal.__typename === 'Answer' && impolite.peer.receive(told) } };
        polite.start(await camera());
        const [offer, ...candidates] = impolite.sent.map(({ signal, ids }) => ({ callId: ids.callId, signal: heard(signal) }));
        for (const signal of [...candidates, offer]) polite.peer.receive(signal);
        impolite.other = {};
        open();
        polite.other.tracks = impolite.tracks;
        await until(() => polite.peer.connection.connectionState === 'connected', () => state(polite, impolite));
        """,
    )


async def test_candidates_go_together_while_a_signal_is_under_way_64_at_most(page: Page) -> None:
    """A signal each would use up what a member may send, and more than 64 in one are refused. None is lost, none overtakes."""
    sizes, offered, order = await run(
        page,
        """
        const { polite, impolite } = pair();
        impolite.delay = () => 30;
        impolite.start(silence());
        await until(() => impolite.tried.length === 1, () => state(impolite));
        const candidate = (port) => new RTCIceCandidate({
          candidate: `candidate:1 1 udp 1 192.0.2.1 ${port} typ host`, sdpMid: '0', sdpMLineIndex: 0, usernameFragment: 'else' });
        for (let port = 1; port <= 150; port++) impolite.peer.connection.onicecandidate({ candidate: candidate(port) });
        const batches = () => impolite.sent.flatMap(({ signal }) => signal.candidates ? [signal.candidates.candidates] : []);
        const ports = () => batches().flat().filter(({ usernameFragment }) => usernameFragment === 'else')
          .map(({ candidate }) => Number(candidate.split(' ')[5]));
        await until(() => ports().length >= 150, () => ports().length);
        return [batches().map(({ length }) => length), impolite.kinds[0], ports()];
        """,
    )
    assert max(sizes) == 64
    assert len(sizes) <= 4
    assert offered == "offer"
    assert order == list(range(1, 151))


async def test_a_restart_changes_the_path_with_fresh_servers_while_the_media_go_on(page: Page) -> None:
    """The person's wish, by either side, or by both at once: TURN credentials may have expired since the call began."""
    told = await run(
        page,
        MET
        + """
        const told = [];
        for (const restarting of [[polite], [impolite], both]) {
          const before = both.map(({ ufrag }) => ufrag), asked = both.map(({ configured }) => configured);
          for (const side of restarting) side.configuration = { iceServers: [{ urls: `stun:127.0.0.1:${9 + told.length}` }] };
          for (const { peer } of restarting) peer.restart();
          await until(() => well() && both.every(({ ufrag }, at) => ufrag !== before[at]), () => [before, state(...both)]);
          await moving(...both);
          told.push(restarting.every((side) =>
            side.configured === asked[both.indexOf(side)] + 1
            && side.peer.connection.getConfiguration().iceServers[0].urls[0].endsWith(`:${9 + told.length}`)));
        }
        return [told, both.map(({ opened, faults }) => [opened.length, faults])];
        """,
    )
    assert told == [[True] * 3, [[1, []]] * 2]


class Road(asyncio.DatagramProtocol):
    """A UDP port that leads to another one and back, while the network is up."""

    def __init__(self, port: int, network: asyncio.Event) -> None:
        self._there, self._network = port, network
        self._back: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # it is one of datagrams
        """Remembers what to send by."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """To the other end than the one it came from."""
        if addr[1] != self._there:
            self._back = addr
        if self._network.is_set() and self._back is not None:
            to = self._back if addr[1] == self._there else (addr[0], self._there)
            self._transport.sendto(data, to)


@pytest_asyncio.fixture(loop_scope="session")
async def tunnel(page: Page) -> AsyncIterator[None]:
    """The page has `detour`, for sides, and `network(up)`: whether anything comes through on those ways."""
    network, roads = asyncio.Event(), list[asyncio.DatagramTransport]()
    network.set()

    async def detour(port: int) -> int:
        opened = asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Road(port, network),
            local_addr=("0.0.0.0", 0),  # noqa: S104 - where Chromium's candidates are
        )
        roads.append((await opened)[0])
        return int(roads[-1].get_extra_info("sockname")[1])

    await page.expose_function("detour", detour)
    await page.expose_function("network", lambda up: network.set() if up else network.clear())
    yield
    for road in roads:
        road.close()


OVER_ROADS = MET.replace("start(", "detour = window.detour, side.start(")


@pytest.mark.usefixtures("tunnel")
async def test_it_comes_back_by_itself_when_the_network_does(page: Page) -> None:
    """Media and signals are lost on their way, as in a tunnel. Nobody presses anything."""
    told = await run(
        page,
        OVER_ROADS
        + """
        await moving(...both);
        const before = both.map(({ ufrag }) => ufrag);
        for (const { misfortunes } of both) misfortunes.push('lost', 'lost');
        await network(false);
        await until(() => both.some(({ misfortunes }) => misfortunes.length < 2), () => state(...both));
        await network(true);
        await until(well, () => state(...both));
        await moving(...both);
        return both.map(({ ufrag, opened, faults }, at) => [ufrag !== before[at], opened.length, faults]);
        """,
    )
    assert told == [[True, 1, []]] * 2


@pytest.mark.usefixtures("tunnel")
async def test_the_picture_moves_again_after_a_restart_whose_offer_collided(page: Page) -> None:
    """Both press "Try again" because nothing comes through, or one does while the other changes something.

    Chromium 156 shows nothing that it receives after a rollback, whatever the connection says of itself: a picture has to move.
    """
    told = await run(
        page,
        OVER_ROADS
        + """
        const counted = (kind) => both.map(({ kinds }) => kinds.filter((one) => one === kind).length);
        for (let seed = 0; seed < argument; seed++) {
          const draw = random(seed);
          const before = both.map(({ ufrag }) => ufrag), [offers, answers] = ['offer', 'answer'].map(counted);
          const opening = both.map((side) => {
            side.delay = () => Math.floor(draw() * 30);
            let open;
            side.gate = new Promise((resolve) => (open = resolve));
            return open;
          });
          if (seed % 2) await network(false);
          polite.peer.restart();
          const alone = seed % 3 === 2;
          if (alone) impolite.add(silence());
          else impolite.peer.restart();
          await until(() => counted('offer').every((count, at) => count > offers[at]), () => state(...both));
          await pause(Math.floor(draw() * 60)); // for some of the candidates, or all
          for (const open of opening) open();
          await pause(seed % 2 && Math.floor(draw() * 300));
          await network(true);
          const agreed = () => well() && both.every(({ ufrag, other }, at) => ufrag !== before[at]
            && other.peer.connection.remoteDescription.sdp.includes(`a=ice-ufrag:${ufrag}`));
          await until(agreed, () => [seed, before, state(...both)]);
          await moving(...both);
          const [yielding, insisting] = counted('answer').map((count, at) => count - answers[at]);
          if (yielding !== 1 || insisting !== Number(alone)) throw new Error(`no collision: ${JSON.stringify(state(...both))}`);
        }
        return both.map(({ opened, faults }) => [opened.length, faults]);
        """,
        6,
    )
    assert told == [[1, []]] * 2


async def test_an_answer_that_could_not_be_sent_yet_is_sent_before_the_next_offer(page: Page) -> None:
    """Else both wait for ever: the impolite side for that answer, the polite one for an answer to an offer that collided."""
    await run(
        page,
        MET
        + """
        polite.delay = () => 200;
        polite.peer.connection.onicecandidate({ candidate: null }); // is under way so long
        impolite.add(silence());
        await until(() => polite.received === 2 && polite.peer.connection.signalingState === 'stable', () => state(...both));
        polite.add(silence());
        await until(well, () => state(...both));
        """,
    )


async def test_candidates_of_an_answer_are_used_also_if_an_offer_collides_before_they_come(page: Page) -> None:
    """A TURN server takes its time. What they offer meanwhile is ignored; where they are is not, for nobody tells it again."""
    await run(
        page,
        """
        const { polite, impolite } = pair();
        const told = [];
        polite.other = { peer: { receive: (signal) => told.push(signal) } };
        // Where the impolite side is stays with it.
        impolite.other = { peer: { receive: (signal) => impolite.kinds.length > 1 || polite.peer.receive(signal) } };
        for (const side of [polite, impolite]) side.start(silence());
        const of = (kind) => told.filter(({ signal }) => signal.__typename === kind);
        await until(() => of('IceCandidates').at(-1)?.signal.endOfCandidates, () => state(polite, impolite));
        polite.add(silence());
        await until(() => of('Offer').length, () => state(polite, impolite));
        impolite.peer.receive(of('Answer')[0]);
        impolite.add(silence());
        await until(() => impolite.kinds.filter((kind) => kind === 'offer').length === 2, () => state(polite, impolite));
        for (const late of [...of('Offer'), ...of('IceCandidates')]) impolite.peer.receive(late);
        await until(() => impolite.peer.connection.connectionState === 'connected', () => state(polite, impolite));
        if (impolite.faults.length) throw new Error(JSON.stringify(impolite.faults));
        """,
    )


@pytest.mark.parametrize("returning", ["polite", "impolite"])
async def test_whoever_reloads_the_page_is_in_the_call_again(page: Page, returning: str) -> None:
    """Their old connection died without a word. The other side meets the new one, and forgets what still comes of the old."""
    await run(
        page,
        MET
        + """
        const staying = both.find((side) => side.polite !== (argument === 'polite'));
        const gone = staying.other;
        gone.peer.close();
        const back = new Side(gone.polite);
        back.other = staying;
        staying.other = back;
        back.start(await camera());
        await until(() => settled(staying, back), () => state(staying, back));
        await moving(staying, back);
        const [old, now] = staying.opened;
        if (staying.opened.length !== 2 || old.signalingState !== 'closed') throw new Error(JSON.stringify(state(staying, back)));
        const late = gone.sent.map(({ signal, ids }) => ({ callId: ids.callId, signal: heard(signal) }));
        late.push({ callId: late[0].callId, signal: { __typename: 'HangUp', reason: 'ENDED' } });
        const before = now.remoteDescription.sdp, sent = staying.sent.length;
        for (const signal of late) staying.peer.receive(signal);
        back.add(silence()); // comes after it
        await until(() => settled(staying, back), () => state(staying, back));
        if (staying.peer.connection !== now || staying.hungUp.length || staying.opened.length !== 2)
          throw new Error(JSON.stringify(state(staying, back)));
        await moving(staying, back);
        """,
        returning,
    )


async def test_a_send_that_fails_is_tried_again_until_it_is_delivered_once(page: Page) -> None:
    """The network failed before or after the server took it: the same ID, in the same order, and nothing twice."""
    tried, kinds, faults = await run(
        page,
        """
        const { polite, impolite } = pair(), both = [polite, impolite];
        impolite.misfortunes.push('lost', 'lost', 'unanswered');
        for (const side of both) side.start(silence());
        await until(() => settled(...both) && impolite.kinds.includes('candidates'), () => state(...both));
        return [impolite.tried.map(({ clientSignalId }) => clientSignalId), impolite.kinds, impolite.faults];
        """,
    )
    assert len(set(tried[:4])) == 1
    assert len(tried) == len(set(tried)) + 3
    assert kinds.count("offer") == 1
    assert kinds[0] == "offer"
    assert faults == []


async def test_it_waits_as_long_as_the_server_says_and_gives_up_what_it_refuses(page: Page) -> None:
    """RATE_LIMITED says when to come back. What is malformed today is so tomorrow: it must not hold up what comes behind it."""
    waited, first, refused, faults = await run(
        page,
        """
        const { polite, impolite } = pair(), both = [polite, impolite];
        impolite.misfortunes.push({ retryAfter: 0.4 });
        const begun = performance.now();
        for (const side of both) side.start(silence());
        await until(() => settled(...both), () => state(...both));
        const waited = performance.now() - begun;
        polite.misfortunes.push('refused');
        polite.peer.connection.onicecandidate({ candidate: null });
        polite.add(silence());
        await until(() => settled(...both), () => state(...both));
        const refused = polite.tried.filter(({ clientSignalId }) =>
          !polite.sent.some(({ ids }) => ids.clientSignalId === clientSignalId)).length;
        return [waited, impolite.tried[0].clientSignalId === impolite.tried[1].clientSignalId, refused, polite.faults];
        """,
    )
    assert waited >= 400
    assert first
    assert (refused, faults) == (1, ["Error: no"])


async def test_nothing_is_gathered_before_it_is_known_which_way_the_media_may_go(page: Page) -> None:
    """With `relayOnly` a stranger must not learn the address, also not while the network fails that tells us so."""
    gathered = await run(
        page,
        """
        const { polite, impolite } = pair(), both = [polite, impolite];
        for (const side of both) {
          side.start(silence());
          const sources = [];
          side.peer.connection.addEventListener('icecandidate', ({ candidate }) => candidate && sources.push(candidate.type));
          side.gathered = sources;
          side.peer.close();
        }
        const allowed = [];
        const failing = new Peer({
          polite: false, opened: (connection) => { connection.addTrack(silence()); },
          configuration: async () => {
            allowed.push('asked');
            if (allowed.length < 3) throw new TypeError('the network failed');
            return { iceTransportPolicy: 'relay' };
          },
          send: async (signal) => { allowed.push(...Object.keys(signal), ...(signal.candidates?.candidates ?? [])); },
        });
        await until(() => failing.connection.iceGatheringState === 'complete', () => allowed);
        await pause(0);
        failing.close();
        return allowed;
        """,
    )
    assert gathered == ["asked", "asked", "asked", "offer", "candidates"]


async def test_whoever_hangs_up_ends_the_call_for_both_and_either_may_call_again(page: Page) -> None:
    """A reason is told; the other side's connection closes. What is said in a later call is heard."""
    await run(
        page,
        MET
        + """
        await impolite.peer.hangUp('BUSY');
        await until(() => polite.hungUp[0] === 'BUSY', () => state(...both));
        if (polite.peer.connection.signalingState !== 'closed') throw new Error('not closed');
        const again = new Side(false);
        again.other = polite;
        polite.other = again;
        again.start(await camera());
        await until(() => settled(polite, again), () => state(polite, again));
        await again.peer.hangUp();
        await until(() => polite.hungUp[1] === 'ENDED', () => state(polite));
        """,
    )


async def test_whoever_calls_without_end_costs_few_connections_and_is_called_once_they_are_quiet(page: Page) -> None:
    """A stranger may send eighty offers a second. Each that is answered costs a connection and questions to the server, which would
    be missing in the calls with others.
    """
    opened, answers = await run(
        page,
        MET
        + """
        const offer = (at) => ({ __typename: 'Offer', sdp: impolite.peer.connection.localDescription.sdp + `a=x-${at}\r\n` });
        for (let call = 0; call < 60; call++) {
          polite.peer.receive({ callId: `call ${call}`, signal: offer(call) });
          await pause(10);
        }
        const opened = polite.opened.length;
        await until(well, () => state(...both));
        const before = polite.sent.length;
        for (let at = 0; at < 100; at++) polite.peer.receive({ callId: polite.peer.callId, signal: offer(at) });
        await until(() => polite.sent.length > before, () => state(...both));
        await until(well, () => state(...both));
        for (const { peer } of both) peer.close();
        return [opened, polite.sent.slice(before).filter(({ signal }) => 'answer' in signal).length];
        """,
    )
    assert opened <= 10
    assert answers <= 2


async def test_a_closed_peer_leaves_no_timer_no_connection_and_nothing_in_memory(page: Page) -> None:
    """People skip a hundred times in an evening, in one page."""
    await run(
        page,
        """
        const begin = setTimeout, end = clearTimeout, running = window.running = new Map();
        window.setTimeout = (work, ...rest) => {
          const timer = begin((...given) => { running.delete(timer); work(...given); }, ...rest);
          running.set(timer, new Error().stack);
          return timer;
        };
        window.clearTimeout = (timer) => { running.delete(timer); end(timer); };
        window.ended = [];
        for (const at of Array.from({ length: 7 }).keys()) {
          const { polite, impolite } = pair(), both = [polite, impolite];
          if (at % 2) impolite.misfortunes.push({ retryAfter: 1000 });
          for (const side of both) side.start(silence());
          if (at % 2) await until(() => impolite.tried.length, () => state(...both));
          else await until(() => settled(...both), () => state(...both));
          for (const { peer } of both) {
            if (at % 3) peer.restart();
            peer.close();
            peer.close();
            peer.restart();
            peer.receive({ callId: 'new', signal: { __typename: 'Offer', sdp: 'v=0' } });
            if (peer.connection.signalingState !== 'closed') throw new Error('not closed');
            if (at % 2 === 0) window.ended.push(new WeakRef(peer));
          }
        }
        await until(() => running.size <= 1, () => [...running.values()]);
        """,
    )
    memory = await page.context.new_cdp_session(page)
    async with asyncio.timeout(DEADLINE):
        while await page.evaluate("ended.some((one) => one.deref() !== undefined)"):
            await memory.send("HeapProfiler.collectGarbage")
    assert await page.evaluate("running.size") == 0


PEOPLE = """
const url = `${location.origin}/graphql`;
async function ask(query, input, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const body = JSON.stringify({ query, variables: { input } });
  const answer = await (await fetch(url, { method: 'POST', headers, body })).json();
  if (answer.errors) throw Object.assign(new Error(answer.errors[0].message), answer.errors[0].extensions);
  return Object.values(answer.data)[0];
}
const EVENTS = `subscription { events { __typename cursor
  ... on Matched { room { id } partner { id polite } }
  ... on SignalReceived { callId sender { id } signal { __typename
    ... on Offer { sdp } ... on Answer { sdp } ... on HangUp { reason }
    ... on IceCandidates { endOfCandidates candidates { candidate sdpMid sdpMLineIndex usernameFragment } } } } } }`;
const SEND = `mutation($input: SendSignalInput!) { sendSignal(input: $input) { __typename ... on UserError { message } } }`;
async function arrive(name, told) {
  const { session } = await ask(
    `mutation($input: SignInAnonymouslyInput!) { signInAnonymously(input: $input) { ... on SignInAnonymouslySuccess {
      session { accessToken } } } }`, { displayName: name });
  const person = { token: session.accessToken, position: {}, heard: [], ended: [] };
  person.client = createClient({
    url: url.replace('http', 'ws'), retryAttempts: Infinity, retryWait: () => pause(20), shouldRetry: () => true,
    connectionParams: () => ({ authorization: `Bearer ${person.token}`, after: person.position.cursor }),
  });
  person.stop = follow(person.client, EVENTS, person.position,
    (event) => { person.heard.push(event); return told?.(event, person); }, (why) => person.ended.push(why));
  person.send = async (to, signal, ids) => {
    const answer = await ask(SEND, { to, signal, ...ids }, person.token);
    if (answer.__typename !== 'SendSignalSuccess') throw new harness.Refused(answer.message);
  };
  await until(() => person.heard.length, () => person.ended);
  await ask(`mutation($input: JoinQueueInput!) { joinQueue(input: $input) { __typename } }`,
    { mode: 'VIDEO', interests: [argument] }, person.token);
  return person;
}
"""
"""People of a running server, as a front end has them that copied the module."""


async def test_two_strangers_of_a_server_see_each_other_while_sockets_break(
    new_page: NewPage, harness: Path, server: Server
) -> None:
    """The whole of it: matched, called, and seen, over sockets that are torn again and again while they negotiate."""
    # An answer of the server itself: to a page from nowhere Chromium forbids WebSockets to this machine.
    page = await prepared(await new_page(), f"{server.url}/readyz", harness)
    await run(
        page,
        PEOPLE
        + """
        async function told(event, person) {
          if (event.__typename === 'Matched') {
            const film = await camera();
            person.peer = new Peer({
              polite: event.partner.polite,
              configuration: async () => ({}),
              send: (signal, ids) => person.send(event.partner.id, signal, ids),
              opened: (connection) => connection.addTrack(film),
            });
          }
          if (event.__typename === 'SignalReceived') person.peer.receive(event);
          if (person.heard.length < 8) person.client.terminate();
        }
        const people = await Promise.all([arrive('Ada', told), arrive('Bob', told)]);
        const seen = async ({ peer }) => [...((await peer?.connection.getStats()) ?? new Map()).values()]
          .some(({ type, kind, framesDecoded }) => type === 'inbound-rtp' && kind === 'video' && framesDecoded > 10);
        for (const person of people) await until(() => seen(person), () => [person.heard.map(({ __typename }) => __typename)]);
        for (const person of people) {
          if (person.ended.length) throw new Error(JSON.stringify(person.ended));
          await person.peer.hangUp();
          person.stop();
        }
        """,
        "sockets break",
    )


async def test_what_is_followed_is_told_once_and_in_order_across_broken_sockets(
    new_page: NewPage, harness: Path, server: Server
) -> None:
    """By the cursor of what came last. The handler takes its time, and fails now and then: the next event waits, and comes."""
    # An answer of the server itself: to a page from nowhere Chromium forbids WebSockets to this machine.
    page = await prepared(await new_page(), f"{server.url}/readyz", harness)
    order = await run(
        page,
        PEOPLE
        + """
        const order = [];
        window.addEventListener('error', (event) => { if (event.error?.message === 'of the handler') event.preventDefault(); });
        const slowly = async ({ signal }, { client }) => {
          if (!signal) return;
          const number = Number(signal.sdp);
          order.push(`${number} begun`);
          if (number % 7 === 0) client.terminate();
          await pause(number % 3);
          order.push(`${number} done`);
          if (number % 10 === 0) throw new Error('of the handler');
        };
        const [ada, bob] = await Promise.all([arrive('Ada'), arrive('Bob', slowly)]);
        const partner = () => ada.heard.find(({ partner }) => partner)?.partner.id;
        await until(partner, () => ada.heard);
        for (let number = 0; number < 60; number++) await ada.send(partner(), { offer: { sdp: String(number) } }, {});
        await until(() => order.at(-1) === '59 done', () => order);
        for (const { stop } of [ada, bob]) stop();
        return order;
        """,
        "order",
    )
    assert order == [f"{number} {what}" for number in range(60) for what in ("begun", "done")]

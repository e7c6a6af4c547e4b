"""Somebody at the client: does and sees everything by roles, labels and words, so that what they cannot name is not accessible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, Self, TypedDict

from playwright.async_api import Locator, Page, WebSocket, expect

from tests.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Request

    from tests.browser.conftest import NewPage

SMALL: Final = """
window.asked = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
  window.asked.push(...(audio ? ['microphone'] : []), ...(video ? ['camera'] : []));
  if (window.refusing) throw new DOMException('Permission denied', 'NotAllowedError');
  return open({ audio, video: video && { ...video, width: 160, height: 120, frameRate: { max: 5 } } });
};
"""
"""Small pictures and few, since all people of a test share two cores; and a record of what was asked for."""
REFUSING: Final = "window.refusing = true;"
FEW: Final = 0.5
"""Percent of the packets."""
OUTAGE: Final = r"net::ERR_|WebSocket"
"""What Chromium prints while the server is away: see `NewPage`."""

Mode = Literal["Video", "Voice", "Text"]


class Film(TypedDict):
    """What a video element shows now."""

    width: int
    frames: int
    time: float
    sound: bool


class Person:
    """A page, and who sits before it. Everything is waited for."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.traffic: list[str] = []
        """All that the page told the server and heard of it: frames of its sockets, and bodies of its requests."""
        self.offers: int = 0
        """How many offers the page sent."""
        self._network: CDPSession | None = None
        page.on("websocket", self._connected)
        page.on("request", self._asked)

    @classmethod
    async def arrive(
        cls,
        new_page: NewPage,
        url: str,
        name: str,
        *,
        beside: Person | None = None,
        forgiving: str | None = None,
        refusing: bool = False,
        troubled: bool = False,
    ) -> Self:
        """Opens the client at another computer, or in another tab of the browser of `beside`, and comes in. With `refusing` they
        let the page use neither camera nor microphone; with `troubled` there is `lose_packets`.
        """
        page = await new_page(beside=beside.page if beside else None, forgiving=forgiving)
        await page.add_init_script(SMALL + REFUSING * refusing)
        person = cls(page, name)
        if troubled:
            await person.lose_packets(FEW)
        await page.goto(url)
        await page.get_by_label("What shall people call you?").fill(name)
        await person.press(re.compile("Come in|Go on"))
        return person

    async def press(self, name: str | re.Pattern[str], within: Locator | None = None) -> None:
        """A button, by its words or its label."""
        await (within or self.page).get_by_role("button", name=name, exact=isinstance(name, str)).click()

    async def choose(self, whom: str, item: str) -> None:
        """Something of the menu about somebody in the room."""
        everybody = self.page.get_by_role("list", name="Everybody in the room")
        await self.press(f"What to do about {whom}", everybody)
        await self.page.get_by_role("menuitem", name=item, exact=True).click()

    async def meet(self, mode: Mode = "Video") -> None:
        """From the lobby into the queue."""
        await self.page.get_by_role("radio", name=mode).check()
        await self.press("Meet somebody")

    async def say(self, text: str) -> None:
        """In the chat, with the Enter key."""
        field = self.page.get_by_role("textbox", name="Message")
        await field.fill(text)
        await field.press("Enter")

    async def waits(self) -> None:
        """Is in the queue."""
        await self._stands_at(re.compile("^Looking for somebody"))

    async def talks_with(self, name: str) -> None:
        """Is in a match with them."""
        await self._stands_at(f"You are talking with {name}")

    async def sits_in(self, room: str) -> None:
        """Is in the room of that name."""
        await self._stands_at(room)

    async def stays(self, ended: str) -> None:
        """Is in the lobby, and is told why."""
        await self._stands_at("Who is next?")
        await self.is_told(ended)

    async def is_told(self, sentence: str | re.Pattern[str]) -> None:
        """Sees it somewhere."""
        await expect(self.page.get_by_text(sentence).filter(visible=True).first).to_be_visible()

    async def is_not_told(self, sentence: str | re.Pattern[str]) -> None:
        """Does not see it, any more."""
        await expect(self.page.get_by_text(sentence).filter(visible=True)).to_have_count(0)

    async def reads(self, text: str) -> None:
        """In the chat, once."""
        await expect(self.page.get_by_role("log", name="Conversation").get_by_text(text, exact=True)).to_have_count(1)

    async def sees(self, label: str) -> Film:
        """A picture that moves: more of it is decoded, and it goes on. Returns how it is then."""
        picture = self.picture(label)
        await expect(picture).to_be_visible()
        first = await self._film(picture)
        last = first

        async def moves() -> bool:
            nonlocal last
            last = await self._film(picture)
            return last["width"] > 0 and last["frames"] >= first["frames"] + 3 and last["time"] > first["time"]

        await until(moves)
        return last

    async def hears(self, name: str) -> None:
        """A live track of sound comes from them; whether or not there is a picture."""
        film = self.picture(name)
        await expect(film).to_be_attached()
        await until(lambda: self._sounds(film))

    async def safety_number(self, name: str) -> str:
        """As the dialog shows it for them."""
        await self.press("Encrypted")
        dialog = self.page.get_by_role("dialog", name="Encryption")
        groups = dialog.get_by_role("region", name=f"Safety number with {name}").get_by_role("listitem")
        await expect(groups).to_have_count(12)
        number = " ".join(await groups.all_inner_texts())
        await self.press("Close", dialog)
        return number

    async def was_asked_for(self) -> set[str]:
        """What the browser asked leave for."""
        return set(await self.page.evaluate("asked"))

    def picture(self, label: str) -> Locator:
        """A video, by its label: whose it is."""
        return self.page.locator("video").and_(self.page.get_by_label(label, exact=True))

    async def _stands_at(self, heading: str | re.Pattern[str]) -> None:
        await expect(
            self.page.get_by_role("heading", level=1, name=heading, exact=isinstance(heading, str))
        ).to_be_visible()

    async def _film(self, picture: Locator) -> Film:
        film: Film = await picture.evaluate(
            """(video) => ({
              width: video.videoWidth,
              frames: video.getVideoPlaybackQuality().totalVideoFrames,
              time: video.currentTime,
              sound: !video.muted && (video.srcObject?.getAudioTracks() ?? []).some(
                ({ readyState, muted }) => readyState === 'live' && !muted),
            })"""
        )
        return film

    async def _sounds(self, film: Locator) -> bool:
        return (await self._film(film))["sound"]

    async def lose_packets(self, percent: float) -> None:
        """Of the media, from now on: all of them with 100. Chromium can do so to a call only that began with this above 0."""
        if self._network is None:
            self._network = await self.page.context.new_cdp_session(self.page)
            await self._network.send("Network.enable")
        conditions = {"latency": 1, "downloadThroughput": -1, "uploadThroughput": -1, "packetLoss": percent}
        await self._network.send("Network.emulateNetworkConditions", {"offline": False} | conditions)

    def _connected(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._heard)

    def _sent(self, frame: str | bytes) -> None:
        self._heard(frame)
        self.offers += "SendSignal" in str(frame) and '"offer"' in str(frame)

    def _heard(self, frame: str | bytes) -> None:
        self.traffic.append(frame if isinstance(frame, str) else frame.decode())

    def _asked(self, request: Request) -> None:
        self.traffic.append(request.post_data or "")

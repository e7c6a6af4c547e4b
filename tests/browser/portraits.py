"""Cameras for pictures: people who are drawn, in place of the green test picture of Chromium's fake device."""

from __future__ import annotations

from dataclasses import dataclass
from math import sin, tau
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

WIDTH, HEIGHT = 640, 480
"""Pixels, of Chromium's fake camera."""
FRAMES: Final = 24


@dataclass(frozen=True, slots=True)
class Portrait:
    """Somebody, by the colours of what is to be seen of them."""

    wall: tuple[str, str]
    """Light, and shade."""
    lamp: str
    skin: str
    shade: str
    """Of the skin."""
    hair: str
    shirt: str
    long: bool
    """The hair."""

    def frame(self, time: float) -> str:
        """The drawing at a moment of the film, 0 to 1, which begins again without a jump."""
        breath = 3 * sin(tau * time)
        turn = 5 * sin(tau * time)
        blink = 1.0 if 0.45 < time < 0.5 else 11.0
        back = (
            f'<path d="M212 214 C206 92 434 92 428 214 L440 372 C420 404 220 404 200 372 Z" fill="{self.hair}"/>'
            if self.long
            else ""
        )
        return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 640 480">
<defs>
  <linearGradient id="wall" x2="1" y2="1">
    <stop stop-color="{self.wall[0]}"/><stop offset="1" stop-color="{self.wall[1]}"/>
  </linearGradient>
  <radialGradient id="lamp">
    <stop stop-color="{self.lamp}" stop-opacity=".95"/><stop offset="1" stop-color="{self.lamp}" stop-opacity="0"/>
  </radialGradient>
  <filter id="soft"><feGaussianBlur stdDeviation="7"/></filter>
</defs>
<rect width="640" height="480" fill="url(#wall)"/>
<g filter="url(#soft)">
  <rect x="24" y="40" width="150" height="190" rx="6" fill="#fff" opacity=".28"/>
  <path d="M99 40v190M24 135h150" stroke="{self.wall[1]}" stroke-width="7" opacity=".6"/>
  <rect x="462" y="246" width="178" height="12" fill="#3b2a20" opacity=".55"/>
  <rect x="480" y="176" width="20" height="70" fill="{self.shirt}" opacity=".8"/>
  <rect x="504" y="190" width="16" height="56" fill="{self.lamp}" opacity=".8"/>
  <rect x="524" y="168" width="22" height="78" fill="{self.hair}" opacity=".6"/>
  <circle cx="592" cy="214" r="34" fill="#3f7d58" opacity=".85"/>
  <circle cx="540" cy="80" r="150" fill="url(#lamp)"/>
</g>
<g transform="translate({turn} {breath})">
  {back}
  <path d="M92 500 C100 396 210 372 270 360 L370 360 C430 372 540 396 548 500 Z" fill="{self.shirt}"/>
  <path d="M276 300 h88 v66 q-44 44 -88 0 Z" fill="{self.shade}"/>
  <ellipse cx="320" cy="226" rx="92" ry="114" fill="{self.skin}"/>
  <path d="M224 216 C214 96 262 84 322 84 C392 84 428 110 416 216
    C404 172 372 152 350 148 C306 170 250 158 224 216 Z" fill="{self.hair}"/>
  <g transform="translate({turn * 0.9} 0)">
    <path d="M262 200 q20 -12 40 0 M340 200 q20 -12 40 0" stroke="{self.hair}" stroke-width="7" stroke-linecap="round" fill="none"/>
    <ellipse cx="283" cy="226" rx="8" ry="{blink}" fill="#2a1d17"/>
    <ellipse cx="359" cy="226" rx="8" ry="{blink}" fill="#2a1d17"/>
    <path d="M321 234 q10 26 -6 32" stroke="{self.shade}" stroke-width="6" stroke-linecap="round" fill="none"/>
    <path d="M284 286 q38 {34 + breath * 2} 76 0 q-38 12 -76 0 Z" fill="#fff"
      stroke="#9c4a3d" stroke-width="5" stroke-linejoin="round"/>
    <circle cx="262" cy="264" r="18" fill="#d9694f" opacity=".22"/>
    <circle cx="376" cy="264" r="18" fill="#d9694f" opacity=".22"/>
  </g>
</g></svg>"""


MIRA: Final = Portrait(("#f3dcc0", "#c98f6b"), "#ffe6a8", "#c98a63", "#a96d4a", "#2c1c18", "#0b6e5f", long=True)
JONAS: Final = Portrait(("#bcd3df", "#5d7f97"), "#fff1cf", "#f0c3a0", "#d39d79", "#7a4a24", "#b3472e", long=False)


async def film(browser: Browser, portrait: Portrait, path: Path) -> None:
    """Writes it as Motion JPEG, which is one picture after another, for `--use-file-for-fake-video-capture`."""
    page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    pictures = []
    for number in range(FRAMES):
        await page.set_content(f'<body style="margin:0">{portrait.frame(number / FRAMES)}</body>')
        pictures.append(await page.screenshot(type="jpeg", quality=90))
    await page.close()
    path.write_bytes(b"".join(pictures))

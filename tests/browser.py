"""A page in Chromium, for tests: how large it is laid out, what it looks like, and what runs in it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import count, product
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

T = TypeVar("T")

HEIGHT = 900
"""Height of a screen in pixels."""

TROUBLE = {"Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"}
"""What a browser tells of scripts that fail, requests that are refused, and dialogues that open."""

WINDOW = '<iframe style="width:{width}px;height:{height}px;border:0" src="{page}"></iframe>'

MEASURED = """<pre id="found"></pre><script>
onload = () => {
  const roots = [...document.querySelectorAll("iframe")].map((one) => one.contentDocument.documentElement);
  found.textContent = "FOUND" + JSON.stringify(roots.map((root) => (
    {height: root.scrollHeight, width: root.scrollWidth, room: root.clientWidth}))) + "END";
};
</script>"""


def laid_out(page: Path, folder: Path, widths: Sequence[int]) -> list[dict[str, int]]:
    """Return height and width of a page in pixels in a window of each width, and the room that it has."""
    frames = folder / "frames.html"
    windows = (WINDOW.format(width=width, height=HEIGHT, page=page.as_uri()) for width in widths)
    head = '<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">'
    frames.write_text("\n".join((head, *windows, MEASURED)), "utf-8")
    shown = _chromium(
        "--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom", frames.as_uri()
    )
    return json.loads(re.search(r"FOUND(\[.*?\])END", shown)[1])


def evaluated(address: str, script: str, folder: Path, *, scheme: str = "light") -> tuple[Any, list[str]]:
    """Open a page, run a script in it, and return its value and all errors and refusals that the page caused.

    The script is the body of an async function; `scheme` is the colours that the reader prefers, light or dark.
    """

    async def evaluate(port_file: Path) -> tuple[Any, list[str]]:
        async with _tab(port_file) as tab:
            await _prefer(tab, scheme)
            await tab.open(address)
            body = f"(async () => {{ {script} }})()"
            found = await tab.call("Runtime.evaluate", expression=body, awaitPromise=True, returnByValue=True)
            return found["result"].get("value"), tab.errors

    return _in_browser(folder, evaluate)


def pictured(
    address: str, folder: Path, widths: Sequence[int], schemes: Sequence[str], height: int = 0
) -> tuple[dict[tuple[int, str], bytes], bytes]:
    """Return pictures (PNG) of a page for each width and scheme, and the page as it is printed (PDF).

    A picture is of the whole page, or of its first `height` pixels.
    """

    async def draw(port_file: Path) -> tuple[dict[tuple[int, str], bytes], bytes]:
        pictures = {}
        async with _tab(port_file) as tab:
            await tab.call("Emulation.setScrollbarsHidden", hidden=True)
            await tab.open(address)
            for width, scheme in product(widths, schemes):
                await _prefer(tab, scheme)
                window = {"width": width, "height": height or HEIGHT, "deviceScaleFactor": 1, "mobile": False}
                await tab.call("Emulation.setDeviceMetricsOverride", **window)
                shot = await tab.call("Page.captureScreenshot", captureBeyondViewport=not height)
                pictures[width, scheme] = base64.b64decode(shot["data"])
            await tab.call("Emulation.clearDeviceMetricsOverride")
            paper = await tab.call("Page.printToPDF", preferCSSPageSize=True)
            return pictures, base64.b64decode(paper["data"])

    return _in_browser(folder, draw)


def _in_browser(folder: Path, work: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
    """Do work with a browser of its own, which writes its port into the file that the work is given."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    profile = folder / "profile"
    with subprocess.Popen(
        [*command, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL
    ) as browser:
        try:
            return asyncio.run(work(profile / "DevToolsActivePort"))
        finally:
            browser.terminate()


async def _prefer(tab: _Tab, scheme: str) -> None:
    preferred = {"name": "prefers-color-scheme", "value": scheme}
    await tab.call("Emulation.setEmulatedMedia", features=[preferred])


class _Tab:
    """A tab of a browser, spoken to in the DevTools protocol; `errors` are the troubles that it told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.errors: list[str] = []
        self._socket = socket
        self._numbers = count(1)
        self._idle: set[str] = set()  # pages that have loaded and have asked for nothing for half a second

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (said := await self._heard()).get("id") != number:
            pass
        return said["result"]

    async def open(self, address: str) -> None:
        """Show a page, and wait until it is idle."""
        page = (await self.call("Page.navigate", url=address))["loaderId"]
        while page not in self._idle:
            await self._heard()

    async def _heard(self) -> dict[str, Any]:
        said = await self._socket.receive_json(timeout=60)
        match said:
            case {"method": method, "params": told} if method in TROUBLE:
                self.errors.append(str(told))
            case {"method": "Page.lifecycleEvent", "params": {"name": "networkIdle", "loaderId": page}}:
                self._idle.add(page)
        return said


@asynccontextmanager
async def _tab(port_file: Path) -> AsyncIterator[_Tab]:
    """Connect to the tab of a browser."""
    for _ in range(300):
        if port_file.exists() and port_file.read_text().strip():
            break
        await asyncio.sleep(0.1)
    port = port_file.read_text().splitlines()[0]
    async with aiohttp.ClientSession() as session:
        tabs = await (await session.get(f"http://127.0.0.1:{port}/json")).json()
        async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            tab = _Tab(socket)
            for domain in ("Runtime", "Log", "Page"):
                await tab.call(f"{domain}.enable")
            await tab.call("Page.setLifecycleEventsEnabled", enabled=True)
            yield tab


def printed_pages(page: Path, folder: Path) -> int:
    """Return how many pages of paper a page takes."""
    paper = folder / "printed.pdf"
    _chromium("--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    return pages_of(paper.read_bytes())


def pages_of(paper: bytes) -> int:
    """Return the number of pages of a PDF."""
    return len(re.findall(rb"/Type\s*/Page[^s]", paper))


def _chromium(*arguments: str) -> str:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

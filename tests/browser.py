"""A page in Chromium, for tests: how large it is laid out, what it looks like, and what runs in it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import count, product
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

T = TypeVar("T")

Call = Callable[..., Awaitable[dict[str, Any]]]
"""Calls a method of the DevTools protocol with its parameters, and returns its result."""

HEIGHT = 900
"""Height of a screen in pixels."""

TROUBLE = {"Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"}
"""What a browser tells of scripts that fail, requests that are refused, and dialogues that open."""

FRAME = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" style="width:{width}px;height:{height}px;border:0" src="{page}"></iframe>
<pre id="found"></pre><script>
page.onload = () => {{
  const root = page.contentDocument.documentElement;
  found.textContent = "FOUND" + JSON.stringify({{
    height: root.scrollHeight, width: root.scrollWidth, room: root.clientWidth,
    scripts: page.contentDocument.querySelectorAll("script").length,
    title: page.contentDocument.title}}) + "END";
}};
</script>"""


def laid_out(page: Path, folder: Path, *, width: int) -> dict[str, Any]:
    """Return height and width of a page in pixels in a window of that width, and the room that it has."""
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width, height=HEIGHT, page=page.as_uri()), "utf-8")
    shown = _chromium(
        "--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri()
    )
    return json.loads(re.search(r"FOUND({.*?})END", shown)[1])


def evaluated(address: str, script: str, folder: Path, *, scheme: str = "light") -> tuple[Any, list[str]]:
    """Open a page, run a script in it, and return its value and all errors and refusals that the page caused.

    The script is the body of an async function; `scheme` is the colours that the reader prefers, light or dark.
    """

    async def evaluate(port_file: Path) -> tuple[Any, list[str]]:
        async with _tab(port_file) as (call, errors):
            await _prefer(call, scheme)
            await call("Page.navigate", url=address)
            await asyncio.sleep(3)
            body = f"(async () => {{ {script} }})()"
            found = await call("Runtime.evaluate", expression=body, awaitPromise=True, returnByValue=True)
            return found["result"].get("value"), errors

    return _in_browser(folder, evaluate)


def pictured(
    address: str, folder: Path, widths: Sequence[int], schemes: Sequence[str], height: int = 0
) -> tuple[dict[tuple[int, str], bytes], bytes]:
    """Return pictures (PNG) of a page for each width and scheme, and the page as it is printed (PDF).

    A picture is of the whole page, or of its first `height` pixels.
    """

    async def draw(port_file: Path) -> tuple[dict[tuple[int, str], bytes], bytes]:
        pictures = {}
        async with _tab(port_file) as (call, _):
            await call("Emulation.setScrollbarsHidden", hidden=True)
            await call("Page.navigate", url=address)
            await asyncio.sleep(3)
            for width, scheme in product(widths, schemes):
                await _prefer(call, scheme)
                window = {"width": width, "height": height or HEIGHT, "deviceScaleFactor": 1, "mobile": False}
                await call("Emulation.setDeviceMetricsOverride", **window)
                shot = await call("Page.captureScreenshot", captureBeyondViewport=not height)
                pictures[width, scheme] = base64.b64decode(shot["data"])
            await call("Emulation.clearDeviceMetricsOverride")
            paper = await call("Page.printToPDF", preferCSSPageSize=True)
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


async def _prefer(call: Call, scheme: str) -> None:
    preferred = {"name": "prefers-color-scheme", "value": scheme}
    await call("Emulation.setEmulatedMedia", features=[preferred])


@asynccontextmanager
async def _tab(port_file: Path) -> AsyncIterator[tuple[Call, list[str]]]:
    """Connect to the tab of a browser; give what calls its methods, and the list of troubles to come."""
    for _ in range(300):
        if port_file.exists() and port_file.read_text().strip():
            break
        await asyncio.sleep(0.1)
    port = port_file.read_text().splitlines()[0]
    numbers = count(1)
    errors: list[str] = []
    async with aiohttp.ClientSession() as session:
        tabs = await (await session.get(f"http://127.0.0.1:{port}/json")).json()
        async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:

            async def call(method: str, **parameters: Any) -> dict[str, Any]:
                number = next(numbers)
                await socket.send_json({"id": number, "method": method, "params": parameters})
                while True:
                    said = await socket.receive_json(timeout=60)
                    if said.get("method") in TROUBLE:
                        errors.append(str(said["params"]))
                    if said.get("id") == number:
                        return said["result"]

            for domain in ("Runtime", "Log", "Page"):
                await call(f"{domain}.enable")
            yield call, errors


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

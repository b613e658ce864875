"""A page in Chromium, for tests: how large it is laid out, and what runs in it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

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
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    profile = folder / "profile"
    with subprocess.Popen(
        [*command, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL
    ) as browser:
        try:
            return asyncio.run(_evaluated(profile / "DevToolsActivePort", address, script, scheme))
        finally:
            browser.terminate()


async def _evaluated(port_file: Path, address: str, script: str, scheme: str) -> tuple[Any, list[str]]:
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
            preferred = {"name": "prefers-color-scheme", "value": scheme}
            await call("Emulation.setEmulatedMedia", features=[preferred])
            await call("Page.navigate", url=address)
            await asyncio.sleep(3)
            body = f"(async () => {{ {script} }})()"
            found = await call("Runtime.evaluate", expression=body, awaitPromise=True, returnByValue=True)
            return found["result"].get("value"), errors


def printed_pages(page: Path, folder: Path) -> int:
    """Return how many pages of paper a page takes."""
    paper = folder / "printed.pdf"
    _chromium("--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    return len(re.findall(rb"/Type\s*/Page[^s]", paper.read_bytes()))


def _chromium(*arguments: str) -> str:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

"""A page in Chromium, for tests: how large it is laid out, and what runs in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

HEIGHT = 900
"""Height of a screen in pixels."""

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


def dumped(address: str) -> str:
    """Return the elements of a page after its scripts ran."""
    return _chromium("--virtual-time-budget=8000", "--dump-dom", address)


def printed_pages(page: Path, folder: Path) -> int:
    """Return how many pages of paper a page takes."""
    paper = folder / "printed.pdf"
    _chromium("--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    return len(re.findall(rb"/Type\s*/Page[^s]", paper.read_bytes()))


def _chromium(*arguments: str) -> str:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

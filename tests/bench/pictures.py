"""
Pictures of the README: the first screen of the report of an audit that failed, passed, or is incomplete.

    python tests/bench/pictures.py RUN_FOLDER=PICTURE.png...

The three of the README are of `gptaudit run TARGET --policy default`, with decoder:reference, decoder:clean, and
decoder:reference with `-p gender-occupation -p toxicity-prompts --max-requests 100`.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import pictured

WIDTH, HEIGHT = 1280, 560

if __name__ == "__main__":
    for argument in sys.argv[1:]:
        run, _, picture = argument.rpartition("=")
        with TemporaryDirectory() as folder:
            report = (Path(run) / "report.html").resolve().as_uri()
            pictures, _ = pictured(report, Path(folder), [WIDTH], ["light"], HEIGHT)
        image = Image.open(io.BytesIO(pictures[WIDTH, "light"])).convert("RGB")
        image.quantize(64).save(picture, optimize=True)

"""Which labelled texts no bundled model was trained on: one split for training and for evaluation."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

Split = Literal["train", "test"]


def normalised(text: str) -> str:
    """Normalise a text to detect duplicates: lower-cased, without ASCII punctuation."""
    return " ".join(re.sub(r"[!-/:-@\[-`{-~]", " ", text.lower()).split())


def bucket(text: str, buckets: int) -> int:
    """Hash a text to a stable number in [0, buckets)."""
    return int.from_bytes(hashlib.sha256(normalised(text).encode()).digest()[:8], "big") % buckets


def one_in(buckets: int, text: str) -> Split:
    """Hold out one text in `buckets` by its hash."""
    return "test" if bucket(text, buckets) == 0 else "train"


def hashed_split(text: str) -> Split:
    """Choose the split of a text by its hash: one in ten is held out."""
    return one_in(10, text)

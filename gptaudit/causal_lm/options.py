"""How a model in torch is run; kept apart from torch so that the options can be listed without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TorchOptions:
    """Options of a model in torch, for `-b KEY=VALUE`."""

    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the best there is."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """The numbers it is run in."""
    batch_tokens: int = 1024
    """Tokens in a batch; memory grows with it."""

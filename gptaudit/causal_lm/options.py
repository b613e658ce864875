"""How a model in torch is run; kept apart from torch so that the options can be listed without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TorchOptions:
    """Options of a model in torch, for `-b KEY=VALUE`."""

    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the best there is."""
    device_map: Literal["", "auto", "balanced", "balanced_low_0", "sequential"] = ""
    """How to spread the model over several GPUs (accelerate); takes the place of device."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """The numbers it is run in."""
    precision: Literal["exact", "auto"] = "exact"
    """auto computes log-likelihoods in bfloat16, and in float32 where a probe's decision hangs on the rounding."""
    chat: bool = False
    """Give each prompt as a user's message, in the tokenizer's chat template; log-likelihoods are then not measured."""
    system: str = ""
    """With chat: the system message before it."""
    batch_tokens: int = 1024
    """Tokens in a batch; memory grows with it."""

"""Options of models in torch, in a module of its own so that they can be listed without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ChatTemplateOptions:
    """Options of a model that is given its prompts as they are, or as conversations in its chat template."""

    chat: bool = False
    """Give each prompt as a user's message in the tokenizer's chat template; log-likelihoods are then unavailable."""
    system: str = ""
    """With chat: the system message."""
    fold_system: bool = False
    """With chat: put the system message before the user's first one, for templates that refuse system messages."""
    date: str = ""
    """With chat: the day, as 2026-11-28, for templates that print today's date; 2026-01-01 if none is given."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """With chat: variables of the chat template, as template.enable_thinking=false; values are JSON or text."""
    think_end: str = ""
    """With chat: the tag that ends the model's thought, where it is not a known one; none if all text is answer."""
    batch_tokens: int = 1024
    """Tokens in a batch; larger batches need more memory."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a batch of nothing."""
        if self.batch_tokens < 1:
            msg = f"batch_tokens must be at least 1, found {self.batch_tokens}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class TorchOptions(ChatTemplateOptions):
    """Options of a model in torch, for `-b KEY=VALUE`."""

    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the best available."""
    device_map: Literal["", "auto", "balanced", "balanced_low_0", "sequential"] = ""
    """How to spread the model over several GPUs (accelerate); replaces device."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the weights and of the computation."""
    precision: Literal["exact", "auto"] = "exact"
    """auto computes log-likelihoods in bfloat16, and again in float32 if rounding could change a decision."""
    follow_links: bool = False
    """Load files that lie outside the model's folder, where links and the index of its weights lead."""

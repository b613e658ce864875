"""Configuration of a decoder."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

CHOICES = {
    "positions": ("learned", "sinusoidal", "rotary"),
    "activation": ("gelu", "relu", "swiglu"),
    "norm": ("pre", "post"),
}
"""Allowed values of these settings."""

COUNTS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
"""Settings that are positive integers."""


class DecoderConfig(PreTrainedConfig):
    """Shape of a decoder; fields are named as in `transformers` where it has them.

    `positions`: `learned`, one vector per position; `sinusoidal`, fixed waves added to the embeddings, which are
    scaled by the square root of the width (Vaswani et al. 2017, sections 3.4 and 3.5); `rotary`, queries and keys
    rotated by their position (Su et al. 2021, RoFormer), in the layout of Llama.
    `activation`: `gelu` in GPT-2's tanh approximation, `relu`, or `swiglu` (Shazeer 2020), whose gate adds
    `hidden_size * intermediate_size` weights.
    `norm`: `pre`, each branch reads the normalised residual stream (GPT-2); `post`, the stream is normalised after
    each branch (Vaswani et al. 2017, and GPT-1).

    ```python
    DecoderConfig(vocab_size=1000, hidden_size=128, num_attention_heads=4, positions="rotary", activation="swiglu")
    ```

    Raises:
        ValueError: a setting has a value that is not allowed; the message names both.
    """

    model_type = "gptaudit-decoder"

    vocab_size: int = 1024
    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 512
    max_position_embeddings: int = 128  # the context, in tokens
    positions: str = "learned"
    activation: str = "gelu"
    norm: str = "pre"
    dropout: float | int = 0.0
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True
    use_cache: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of transformers
        for name in COUNTS:
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)}: expected a positive integer"
                raise ValueError(msg)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                msg = f"{name}={getattr(self, name)!r}: expected {', '.join(allowed[:-1])} or {allowed[-1]}"
                raise ValueError(msg)
        if not 0 <= self.dropout < 1:
            msg = f"dropout={self.dropout}: expected a number in [0, 1)"
            raise ValueError(msg)
        width, heads = self.hidden_size, self.num_attention_heads
        if width % heads:
            msg = f"hidden_size={width} is not divisible by num_attention_heads={heads}"
            raise ValueError(msg)
        paired = {"learned": 2, "sinusoidal": width, "rotary": width // heads}[self.positions]
        if paired % 2:
            of = "hidden_size" if self.positions == "sinusoidal" else "hidden_size / num_attention_heads"
            msg = f"positions={self.positions!r} works on pairs of numbers: expected {of} to be even, got {paired}"
            raise ValueError(msg)
        super().__post_init__(**kwargs)

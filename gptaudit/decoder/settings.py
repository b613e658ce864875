"""Training settings and presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gptaudit.errors import UsageError
from gptaudit.validation import nearest, validated

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How weights are fitted to examples, for any model and any examples.

    One step sees `batch * accumulation` examples in each process.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    batch: Count
    steps: Count
    learning_rate: Annotated[float, Field(gt=0)]
    accumulation: Count = 1
    """Batches whose gradients are summed before a step: a larger batch in the same memory."""
    final_rate: Share = 0.0
    """Final learning rate of the cosine schedule, as a share of `learning_rate`."""
    warmup: Share = 0.05
    """Share of the steps over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """0.999 reacts too slowly with batches as small as those of the presets."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Maximum norm of the gradients; 0 disables clipping."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto is bfloat16 where the device supports it natively (weights and sums stay float32), float32 elsewhere."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""
    report_every: Count | None = None
    """Steps between reports of the loss; by default a hundredth of all steps."""
    evaluate_every: Count | None = None
    """Steps between validations; by default ten times those between reports."""
    checkpoint_every: Annotated[int, Field(ge=0)] | None = None
    """Steps between checkpoints; by default as between validations; 0 writes none."""
    patience: Count | None = None
    """Stop after this many validations without a better loss, and keep the best weights."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def __post_init__(self) -> None:
        if self.patience is not None and self.checkpoint_every is not None:
            msg = "patience writes a checkpoint at each validation: remove checkpoint_every"
            raise ValueError(msg)

    @property
    def report_steps(self) -> int:
        """Steps between reports of the loss."""
        return self.report_every or max(self.steps // 100, 1)

    @property
    def evaluation_steps(self) -> int:
        """Steps between validations."""
        return self.evaluate_every or 10 * self.report_steps

    @property
    def checkpoint_steps(self) -> int:
        """Steps between checkpoints; 0 for none."""
        return self.evaluation_steps if self.checkpoint_every is None else self.checkpoint_every


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings(Fitting):
    """Shape, data and fitting of a decoder; an example is a block of `context` tokens."""

    layers: Count
    heads: Count
    width: Count
    context: Annotated[int, Field(ge=2)]
    vocab_size: Annotated[int, Field(ge=258)]
    """256 bytes, two special tokens, and merges; 258 is a tokenizer of plain bytes."""
    feed_forward: Count | None = None
    """Inner width of the feed-forward layers; by default four times `width`."""
    positions: Literal["learned", "sinusoidal", "rotary"] = "learned"
    activation: Literal["gelu", "relu", "swiglu"] = "gelu"
    norm: Literal["pre", "post"] = "pre"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    tied: bool = True
    """Whether the output layer shares the weights of the token embeddings."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Share kept for validation: one of every round(1 / share) documents, or the end of a corpus with few documents."""
    evaluation_blocks: Count = 512
    """Blocks, evenly spaced over the validation data, over which the validation loss is averaged."""

    def __post_init__(self) -> None:
        # slots=True creates a second class, and a bare super() would still refer to the first.
        super(TrainingSettings, self).__post_init__()
        if self.patience is not None and self.validation == 0:
            msg = "patience needs a validation loss, and validation=0 keeps no data for it"
            raise ValueError(msg)

    @property
    def step_tokens(self) -> int:
        """Tokens per step and process."""
        return self.batch * self.accumulation * self.context


PRESETS = {
    "nano": TrainingSettings(
        layers=2, heads=2, width=64, context=64, vocab_size=512, batch=16, steps=500, learning_rate=3e-3
    ),
    "mini": TrainingSettings(
        layers=4, heads=4, width=128, context=128, vocab_size=1536, batch=8, steps=4800, learning_rate=4e-3
    ),
    "small": TrainingSettings(
        layers=8,
        heads=6,
        width=384,
        context=256,
        vocab_size=8192,
        batch=16,
        steps=20_000,
        learning_rate=1e-3,
        final_rate=0.1,
        dropout=0.1,
        positions="rotary",
    ),
}


def settings_of(preset: str, overrides: Mapping[str, object]) -> TrainingSettings:
    """Return a preset with some settings replaced; strings are parsed as values.

    ```python
    settings_of("nano", {"learning_rate": "1e-3"}).learning_rate   # 0.001
    ```

    Raises:
        UsageError: no such preset or key, or a value that the key does not accept.
    """
    if preset not in PRESETS:
        msg = f"unknown preset {preset!r}.{nearest(preset, PRESETS)}"
        raise UsageError(msg)
    given = {**asdict(PRESETS[preset]), **overrides}
    return validated(TrainingSettings, given, where="settings (--set KEY=VALUE)", error=UsageError)


def with_tokens(settings: TrainingSettings, tokens: int, *, processes: int) -> TrainingSettings:
    """Return the settings with the smallest number of steps that sees at least `tokens`."""
    return replace(settings, steps=-(-tokens // (settings.step_tokens * processes)))

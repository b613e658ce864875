"""What decides a training, and the presets."""

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
    """How weights are fitted to examples, whatever the model and the examples are.

    One step sees `batch * accumulation` examples in each process.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    batch: Count
    steps: Count
    learning_rate: Annotated[float, Field(gt=0)]
    accumulation: Count = 1
    """Batches whose gradients are added up before a step: a larger batch in the same memory."""
    final_rate: Share = 0.0
    """Where the cosine ends, as a share of the learning rate."""
    warmup: Share = 0.05
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """0.999 reacts too late with batches as small as those of the presets."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradients; 0 leaves them as they are."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto is bfloat16 where the device multiplies it itself (weights and sums stay float32), float32 elsewhere."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, a third more time."""
    report_every: Count | None = None
    """Steps between two figures of the loss; a hundredth of all unless given."""
    evaluate_every: Count | None = None
    """Steps between two validation losses; ten reports unless given."""
    checkpoint_every: Annotated[int, Field(ge=0)] | None = None
    """Steps between two checkpoints; as `evaluate_every` unless given; 0 writes none."""
    patience: Count | None = None
    """Stop after so many validation losses without a better one, and keep the best weights."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def __post_init__(self) -> None:
        if self.patience is not None and self.checkpoint_every is not None:
            msg = "patience keeps the best weights at each validation: leave out checkpoint_every"
            raise ValueError(msg)

    @property
    def report_steps(self) -> int:
        """Steps between two reports of the loss."""
        return self.report_every or max(self.steps // 100, 1)

    @property
    def evaluation_steps(self) -> int:
        """Steps between two validation losses."""
        return self.evaluate_every or 10 * self.report_steps

    @property
    def checkpoint_steps(self) -> int:
        """Steps between two checkpoints; 0 for none."""
        return self.evaluation_steps if self.checkpoint_every is None else self.checkpoint_every


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings(Fitting):
    """A decoder's shape, its data and its fitting; an example is a block of `context` tokens."""

    layers: Count
    heads: Count
    width: Count
    context: Annotated[int, Field(ge=2)]
    vocab_size: Annotated[int, Field(ge=258)]
    """256 bytes, two special tokens, and merges; 258 is a tokenizer of plain bytes."""
    feed_forward: Count | None = None
    """Width inside the feed-forward layers; four times `width` unless given."""
    positions: Literal["learned", "sinusoidal", "rotary"] = "learned"
    activation: Literal["gelu", "relu", "swiglu"] = "gelu"
    norm: Literal["pre", "post"] = "pre"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    tied: bool = True
    """Whether the token embeddings are the output layer too."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Share kept for validation: one of each round(1 / share) documents, or the end of a corpus with few of them."""
    evaluation_blocks: Count = 512
    """Blocks of the validation data, spread evenly over it, of which the validation loss is the mean."""

    def __post_init__(self) -> None:
        # A slotted dataclass is made twice, so a bare super() would look in the wrong class.
        super(TrainingSettings, self).__post_init__()
        if self.patience is not None and self.validation == 0:
            msg = "patience waits for a better validation loss, and validation=0 keeps no data for one"
            raise ValueError(msg)

    @property
    def step_tokens(self) -> int:
        """Tokens that one process learns from in a step."""
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
    """Return a preset with some settings replaced; texts are read as the values they stand for.

    ```python
    settings_of("nano", {"learning_rate": "1e-3"}).learning_rate   # 0.001
    ```

    Raises:
        UsageError: no such preset or key, or a value that the key does not take.
    """
    if preset not in PRESETS:
        msg = f"preset {preset!r}: there is none of this name.{nearest(preset, PRESETS)}"
        raise UsageError(msg)
    given = {**asdict(PRESETS[preset]), **overrides}
    return validated(TrainingSettings, given, where="settings (--set KEY=VALUE)", error=UsageError)


def with_tokens(settings: TrainingSettings, tokens: int, *, processes: int) -> TrainingSettings:
    """Return the settings with the least number of steps that learn from so many tokens."""
    return replace(settings, steps=-(-tokens // (settings.step_tokens * processes)))

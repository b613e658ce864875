"""Interface of methods of attribution, which say how much of a model's preference is due to each part of a prompt.

An `EmbeddingMethod` looks into a model that runs here, and gives each token a score:

    def gradient_x_change(asked, seed):
        read = asked.inputs.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(asked.value(read, asked.rows).sum(), read)
        return (gradient * (read - asked.baselines)).sum(-1), [1] * len(asked.rows)

    EmbeddingMethod("gradient_x_change", "gradient times change from the baseline", gradient_x_change)

A `WordMethod` asks any target about the prompt with words left out, and gives each word a score. Plugins register their
own with the hook `gptaudit_register_attributions`; `gptaudit explain --method NAME` chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor


class EmbeddedPrompts(Protocol):
    """Prompts as embeddings, and what is explained as a function of them.

    Letters of the shapes: Q prompts, T tokens of the longest, D width, R rows, any number of them. Prompts are padded
    on the left; the scores of padding are not read.
    """

    @property
    def inputs(self) -> Tensor:
        """Embeddings of the prompts, (Q, T, D)."""

    @property
    def baselines(self) -> Tensor:
        """Embeddings of prompts that say nothing, (Q, T, D): as `inputs` where a token is not explained."""

    @property
    def explained(self) -> Tensor:
        """Where a token is that gets a score, (Q, T)."""

    @property
    def begins(self) -> Tensor:
        """Where the first token of a prompt is, (Q, T)."""

    @property
    def at_ends(self) -> tuple[Tensor, Tensor]:
        """What is explained at the prompts and at their baselines, each (Q,) in float64 on the CPU."""

    @property
    def rows(self) -> Tensor:
        """The number of each prompt, (Q,)."""

    @property
    def rows_at_once(self) -> int:
        """Number of rows that may be in flight; more may not fit into memory."""

    def value(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return what is explained, (R,), in nats, of embeddings (R, T, D) in place of the prompts of `rows` (R,).

        That is log P(target) - log P(foil), or log P(target). Gradients lead to `embeddings`.
        """

    def values(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return the same without gradients, (R,) in float64 on the CPU, however many rows there are."""


TokenScores: TypeAlias = "Callable[[EmbeddedPrompts, int], tuple[Tensor, Sequence[int]]]"
"""Called with prompts and a seed, returns the scores (Q, T), and for each prompt how often the model was run for it.

The scores of a prompt must not depend on the others beside it, nor on its padding.
"""

Kept: TypeAlias = frozenset[int]
"""Places of the words of a prompt that stay; all others are left out."""


@dataclass(frozen=True, slots=True)
class AttributionMethod:
    """A method of attribution; register an `EmbeddingMethod` or a `WordMethod`."""

    name: str
    title: str
    """What it is, in a few words."""
    paper: str = field(default="", kw_only=True)
    """Where it was published: authors and year."""
    complete: bool = field(default=False, kw_only=True)
    """Whether it promises that the scores add up to the change from the baseline to the prompt."""

    @property
    def needs(self) -> str:
        """What a target must have for it, in words."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class EmbeddingMethod(AttributionMethod):
    """A method that computes with the embeddings of a model's tokens."""

    compute: TokenScores
    gradients: bool = field(default=True, kw_only=True)
    """Whether it needs gradients, which a quantised model may not have."""

    @property
    def needs(self) -> str:
        """Return `gradients`, or `embeddings`."""
        return "gradients" if self.gradients else "embeddings"


@dataclass(frozen=True, slots=True)
class WordMethod(AttributionMethod):
    """A method that asks about a prompt with some of its words left out, in rounds that are alike but for their draws.

    The scores are the mean of those of the rounds, with an interval over them. All that is asked follows from the
    prompt and the seed, so that its number is known before.
    """

    ask: Callable[[int, Random], Sequence[Kept]]
    """Called with the number of words and what draws at random, returns what a round asks about."""
    score: Callable[[int, Sequence[Kept], Sequence[float]], Sequence[float]]
    """Called with the number of words, what a round asked about, and the values of those, returns each word's score."""
    rounds: int = field(default=1, kw_only=True)
    """How many rounds a target is asked whose values are exact: one if they are all alike."""

    @property
    def needs(self) -> str:
        """Return what answers about texts."""
        return "score, or generate: sampled"

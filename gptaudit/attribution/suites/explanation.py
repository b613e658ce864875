"""What is known about why a model shows the difference that a suite measures: a record to keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gptaudit.attribution.failures import failures
from gptaudit.attribution.orders import Curve

SCHEMA = "gptaudit.suite-explanation/1"


@dataclass(frozen=True, slots=True)
class Estimated:
    """A figure with its interval; both ends are None where there is none."""

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int

    @property
    def differs(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class SlotScore:
    """What a slot of the templates, or a word, adds to the difference, in nats."""

    name: str
    score: Estimated


@dataclass(frozen=True)
class Faithfulness:
    """Whether the scores of tokens name those that matter, on prompts of the suite (DeYoung et al. 2020)."""

    prompts: int
    comprehensiveness: float
    """How far the contrast falls, in nats, when the tokens with the largest scores are replaced by the baseline."""
    sufficiency: float
    """How far it falls when all other tokens are: small where the largest scores suffice."""
    random_comprehensiveness: tuple[float, ...]
    random_sufficiency: tuple[float, ...]
    """The same means with tokens in random order, of several draws."""
    deletion: Curve
    insertion: Curve
    """Mean curves of the prompts (Petsiuk et al. 2018): as the tokens with the largest scores go, and as they come."""
    infidelity: float
    """Mean squared error, in nats squared, of what the scores foresee when random tokens go (Yeh et al. 2019)."""
    random_infidelity: tuple[float, ...]
    """The same means of the same scores, handed out at random."""
    sensitivity: float | None
    """Mean largest change of the scores, as a share of their size, when the embeddings hardly change."""
    randomised: float | None
    """Spearman correlation of the scores with those of the model with shuffled weights (Adebayo et al. 2018)."""
    randomised_size: float | None
    """The same of absolute scores: what the position of a token alone gives it."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for figures that nothing is compared with."""
        beside = (self.random_comprehensiveness, self.random_sufficiency, self.random_infidelity)
        if not all(beside) or min(self.infidelity, *self.random_infidelity) < 0:
            msg = "expected each figure beside those of random orders, and none that is squared below zero"
            raise ValueError(msg)

    @property
    def failures(self) -> tuple[str, ...]:
        """What speaks against the scores: a random order does as well by any measure, or they are not stable."""
        ordered = self.comprehensiveness > max(self.random_comprehensiveness) and self.sufficiency < min(
            self.random_sufficiency
        )
        sized = self.infidelity < min(self.random_infidelity)
        return failures(ordered=ordered, sized=sized, sensitivity=self.sensitivity)


@dataclass(frozen=True)
class TokenPart:
    """Attribution of the suite's difference to the tokens of its prompts."""

    method: str
    baseline: str
    items: int
    incomplete: int
    """Items left out because their scores do not add up."""
    slots: tuple[SlotScore, ...]
    words: tuple[SlotScore, ...]
    first_in_pairs: float
    """Share of pairs in which the slot that differs adds more to the difference than any other word, by size."""
    first_in_prompts: float
    """Share of single prompts in which it has the largest score; what all terms share, the default, counts too."""
    faithfulness: Faithfulness | None


@dataclass(frozen=True, slots=True)
class Stability:
    """How a ranking holds when its clusters are drawn again; it says nothing about how well gradients foresee."""

    resamples: int
    first_stays: float
    """Share of the resamples in which the first head is the first."""
    overlap: float
    """Mean share of the first heads that are among the first again."""
    compared: int
    """How many first heads."""


@dataclass(frozen=True)
class HeadEffect:
    """A head taken out alone, and the second half scored again."""

    head: str
    predicted: float
    """Change of the difference that gradients foresaw on the first half; no effect."""
    effect: Estimated
    """Change on the second half; the interval allows for the number of heads that were tried."""
    lowers: bool
    """Whether the change is towards no difference."""

    @property
    def shown(self) -> str:
        """Say in a word or two what was shown of the difference without the head."""
        if not self.effect.differs:
            return "not shown to change"
        return "smaller" if self.lowers else "larger"


@dataclass(frozen=True)
class HeadPart:
    """The ranking of heads on one half of the items."""

    how: str
    layers: int
    heads: int
    key_heads: int
    items: int
    gap: Estimated
    """The difference on the half that the ranking was made on."""
    predicted: tuple[tuple[float, ...], ...]
    stability: Stability
    confirmed: tuple[HeadEffect, ...]

    def __post_init__(self) -> None:
        """Raise `ValueError` for a grid that is not of these layers and heads."""
        if not self.predicted or [len(row) for row in self.predicted] != [self.heads or -1] * self.layers:
            msg = f"expected a prediction for each of {self.layers} layers x {self.heads} heads"
            raise ValueError(msg)


@dataclass(frozen=True)
class CurvePoint:
    """The first k heads taken out together, and everything scored again."""

    k: int
    heads: tuple[str, ...]
    gap: Estimated
    removed: Estimated | None
    """Share of the difference that is gone."""
    at_random: tuple[float, ...]
    """The difference without as many other heads of the same layers."""
    whole: Estimated
    """The difference between whole sentences: the figure of the suite, but that each of its terms counts alike."""
    fact: Estimated | None
    """The same difference between words whose group is true, such as mother and king."""
    fact_removed: Estimated | None
    unrelated: Estimated | None
    """The difference of another suite."""
    perplexity: float
    """Of neutral sentences, per token."""


@dataclass(frozen=True)
class Proof:
    """What goes with the heads, on the items that they were not chosen on."""

    items: int
    points: tuple[CurvePoint, ...]
    """The first has all heads."""
    chosen: int
    """Number of heads of the claim, chosen on the other half."""
    fact_at_random: tuple[float, ...]
    perplexity_at_random: tuple[float, ...]
    """Without as many other heads of the same layers as were chosen."""
    unrelated_suite: str

    def __post_init__(self) -> None:
        """Raise `ValueError` where the claim is about no point of the curve."""
        if self.chosen not in [point.k for point in self.points]:
            msg = f"expected a point of the curve with as many heads as were chosen, {self.chosen}"
            raise ValueError(msg)

    @property
    def before(self) -> CurvePoint:
        """Return the point with all heads."""
        return self.points[0]

    @property
    def after(self) -> CurvePoint:
        """Return the point of the claim."""
        return next(point for point in self.points if point.k == self.chosen)


@dataclass(frozen=True)
class Mediated:
    """Effects of a set of heads on the odds against what is expected, under the counterpart of the prompt."""

    name: str
    indirect: Estimated
    direct: Estimated


@dataclass(frozen=True)
class MediationPart:
    """Causal mediation (Vig et al. 2020)."""

    items: int
    total: Estimated
    all_heads: Mediated
    layers: tuple[Mediated, ...]
    heads: tuple[Mediated, ...]


@dataclass(frozen=True)
class SuiteExplanation:
    """Why a model shows the difference that a suite measures; all of it in nats unless it says otherwise."""

    probe: str
    title: str
    axis: str
    slot: str
    fingerprint: str
    seed: int
    cases: int
    """Counterfactuals that the suite has."""
    items: int
    """Those that were explained."""
    left_out: Mapping[str, int]
    gap: Estimated
    """The difference over all items."""
    tokens: TokenPart | None
    heads: HeadPart
    proof: Proof
    mediation: MediationPart | None
    sentences: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"schema": SCHEMA, **asdict(self)}

    def to_json(self) -> str:
        """Return the record as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False, indent=1)

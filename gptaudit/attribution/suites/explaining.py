"""The explanation of a suite: its tokens, its heads, the proof by ablation, and causal mediation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gptaudit.attribution.explaining import HOW, RANDOM_SETS, Explainer
from gptaudit.attribution.heads import Head, Heads
from gptaudit.attribution.methods import INTEGRATED_GRADIENTS
from gptaudit.attribution.suites.ablating import CONFIRMED, SIZES, Ablator, Controls
from gptaudit.attribution.suites.estimates import mean_of
from gptaudit.attribution.suites.explanation import HeadPart, Mediated, MediationPart, SuiteExplanation
from gptaudit.attribution.suites.items import Item, encode, halves, some
from gptaudit.attribution.suites.mediation import mediate
from gptaudit.attribution.suites.ranking import rank
from gptaudit.attribution.suites.sentences import sentences
from gptaudit.attribution.suites.tokens import explain_tokens
from gptaudit.causal_lm.backend import model_errors
from gptaudit.errors import UsageError
from gptaudit.protocols.attribution import EmbeddingMethod
from gptaudit.records import Counterfactual
from gptaudit.records.progress import Progress, Step, silent

FEWEST = 10
"""Clusters that the items have at least: five in each half, for intervals."""
ATTRIBUTED = 50
"""Items whose tokens are attributed; it takes most of the time."""
MEDIATED = 20
"""Items of the second half whose effects are mediated."""
GRADIENT_COST = 120
"""How many times a prompt is scored, about, in the time in which its tokens are attributed."""


@dataclass(frozen=True)
class Suite:
    """What is explained: counterfactuals of a probe, drawn from all it has, with what is scored beside it."""

    probe: str
    title: str
    drawn: Sequence[Counterfactual]
    cases: int
    facts: Sequence[Counterfactual] = ()
    unrelated: Sequence[Counterfactual] = ()
    unrelated_suite: str = ""


class _Work:
    """Tells how much is done, in prompts scored."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def advance(self, prompts: int) -> None:
        """Say that so many more prompts were scored."""
        self._done = min(self._done + prompts, self._total)
        self._progress(Step("Explaining, prompts scored", self._done, self._total))

    def finish(self) -> None:
        """Say that all is done: the plan was a guess."""
        self.advance(self._total)


@model_errors()
def explain_suite(
    explainer: Explainer,
    suite: Suite,
    method: EmbeddingMethod = INTEGRATED_GRADIENTS,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> SuiteExplanation:
    """Explain the difference that a suite measures.

    Heads are ranked on one half of the items, and everything that is said about them is measured on the other half, by
    taking them out and scoring it again.

    Raises `UsageError` for a model whose heads are not known, and where too few of the suite's prompts can be read.
    """
    backend, heads = explainer.backend, explainer.heads()
    items, left_out = encode(backend.encoder, suite.drawn, backend.window)
    _require_enough(suite, items, left_out)
    facts, _ = encode(backend.encoder, suite.facts, backend.window)
    unrelated, _ = encode(backend.encoder, suite.unrelated, backend.window)
    controls = Controls(facts, unrelated, suite.unrelated_suite, explainer.neutral)
    chosen_on, proved_on = halves(items, seed)
    mediated = some([item for item in proved_on if item.aligned and item.of_tokens], MEDIATED, seed)
    work = _Work(progress, _planned(items, controls, heads, len(mediated)))
    ablator = Ablator(heads, HOW, seed, work.advance)

    (of_all,) = ablator.gaps(items, [()])
    of_item = dict(zip(map(id, items), of_all.tolist(), strict=True))
    attributed = some(items, ATTRIBUTED, seed)
    tokens = explain_tokens(
        explainer.attributor, attributed, method, seed, lambda count: work.advance(2 * GRADIENT_COST * count)
    )
    gap = mean_of([of_item[id(item)] for item in chosen_on], chosen_on, seed)
    ranking = rank(heads, chosen_on, HOW, gap.value, seed)
    head_part = HeadPart(
        how=HOW,
        layers=heads.layers,
        heads=heads.heads,
        key_heads=heads.key_heads,
        items=len(chosen_on),
        gap=gap,
        predicted=tuple(map(tuple, ranking.predicted.tolist())),
        stability=ranking.stability,
        confirmed=ablator.confirm(ranking, proved_on),
    )
    proof = ablator.prove(ranking, ablator.choose(ranking, chosen_on), proved_on, controls)
    mediation = _mediation(heads, mediated, ranking.order[:CONFIRMED], seed) if mediated else None
    work.finish()
    axis = items[0].case.axis
    return SuiteExplanation(
        probe=suite.probe,
        title=suite.title,
        axis=axis,
        slot=items[0].case.slot,
        fingerprint=backend.fingerprint,
        seed=seed,
        cases=suite.cases,
        items=len(items),
        left_out=left_out,
        gap=mean_of(of_all, items, seed),
        tokens=tokens,
        heads=head_part,
        proof=proof,
        mediation=mediation,
        sentences=sentences(head_part, proof, axis),
    )


def _mediation(heads: Heads, items: Sequence[Item], first: Sequence[Head], seed: int) -> MediationPart:
    layers = [[Head(layer, head) for head in range(heads.heads)] for layer in range(heads.layers)]
    sets = [[head for layer in layers for head in layer], *layers, *([head] for head in first)]
    names = ["all heads", *(f"layer {layer}" for layer in range(heads.layers)), *map(str, first)]
    found = mediate(heads, items, sets)
    prompts = [*items, *items]
    effects = [
        Mediated(
            name,
            mean_of(indirect.tolist(), prompts, seed),
            mean_of(direct.tolist(), prompts, seed),
        )
        for name, indirect, direct in zip(names, found.indirect, found.direct, strict=True)
    ]
    return MediationPart(
        items=len(items),
        total=mean_of(found.total.tolist(), prompts, seed),
        all_heads=effects[0],
        layers=tuple(effects[1 : 1 + heads.layers]),
        heads=tuple(effects[1 + heads.layers :]),
    )


def _require_enough(suite: Suite, items: Sequence[Item], left_out: Mapping[str, int]) -> None:
    clusters = len({item.case.cluster for item in items})
    if clusters >= FEWEST:
        return
    reasons = "".join(f"; {count} are left out: {reason}" for reason, count in left_out.items())
    msg = (
        f"{suite.probe}: an explanation takes prompts of at least {FEWEST} independent units, five to choose heads on "
        f"and five to prove them on, and found {clusters}{reasons}; give a larger --limit or suite"
    )
    raise UsageError(msg)


def _planned(items: Sequence[Item], controls: Controls, heads: Heads, mediated: int) -> int:
    """Return about how many prompts will be scored."""
    sizes = sum(k < heads.layers * heads.heads for k in SIZES) + 1
    beside = 2 * len(controls.facts) + len(controls.neutral)
    return (
        2 * len(items)
        + 2 * min(len(items), ATTRIBUTED) * GRADIENT_COST
        + len(items) * (2 * sizes + CONFIRMED + sizes + sizes * RANDOM_SETS)
        + beside * (sizes + RANDOM_SETS)
        + 2 * len(controls.unrelated) * sizes
        + 4 * mediated * (2 + heads.layers + CONFIRMED)
    )

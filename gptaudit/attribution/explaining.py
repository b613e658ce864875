"""The explanation of one prompt: its tokens, its heads, and what is left of the contrast without some heads."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from math import exp

from gptaudit.attribution.attributor import Attributor
from gptaudit.attribution.explanation import Ablation, Explanation, HeadGrid
from gptaudit.attribution.faithfulness import check_scores
from gptaudit.attribution.heads import Head, Heads, How
from gptaudit.attribution.methods import INTEGRATED_GRADIENTS
from gptaudit.causal_lm.backend import CausalLMBackend, model_errors
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.errors import BackendError, UsageError
from gptaudit.protocols.attribution import EmbeddingMethod
from gptaudit.protocols.backend import Backend
from gptaudit.records import Failure, Prompt

HOW: How = "mean"
"""Heads are replaced by their mean over neutral texts: nothing at all is an output that the model never saw."""
RESCORED = 10
"""Heads of the grid that are taken out and scored again, those with the largest predictions."""
RANDOM_SETS = 20
"""Sets of other heads, of the same layers and size, beside a set that is taken out."""


class Explainer:
    """Explains prompts of one model; raises `UsageError` for a backend that cannot be looked into."""

    def __init__(self, backend: Backend) -> None:
        if not isinstance(backend, CausalLMBackend):
            msg = (
                "this target answers from outside, and the explanation needs its gradients or embeddings; give a model "
                "that runs here, as hf:FOLDER or decoder:FOLDER, or only ask it: --method occlusion or shapley"
            )
            raise UsageError(msg)
        self.backend = backend
        self.attributor = Attributor(backend.model, batch_tokens=backend.batch_tokens)

    @model_errors()
    def explain(
        self,
        prompt: Prompt,
        target: str,
        foil: str | None = None,
        method: EmbeddingMethod = INTEGRATED_GRADIENTS,
        *,
        grid: bool = False,
        ablate: Sequence[Head] = (),
        seed: int = 0,
    ) -> Explanation:
        """Explain which tokens speak for the target, or for it against the foil.

        With `grid`, all heads are ranked and the first are taken out one by one; `ablate` are heads that are taken out
        together. Raises `UsageError` or `BackendError` for what cannot be explained, with the remedy.
        """
        asked = self.backend.question(prompt, target, foil)
        if isinstance(asked, Failure):
            remedy = "; shorten the prompt" if asked.reason == "too-long" else ""
            raise UsageError(asked.message + remedy)
        text, question = asked
        heads = self.heads() if grid or ablate else None
        if heads is not None:
            heads.require(ablate)
        (found,) = self.attributor.attribute([question], method, seed=seed)
        if isinstance(found, Failure):
            raise BackendError(found.message)
        return Explanation(
            text,
            target,
            foil,
            found,
            fingerprint=self.backend.fingerprint,
            faithfulness=check_scores(
                self.attributor, [question], [found.scores], method, seed=seed, moved=1
            )[0]
            if len(found.scores) > 1
            else None,
            grid=self._grid(heads, question) if heads and grid else None,
            ablation=self._ablation(heads, question, ablate, seed) if heads and ablate else None,
        )

    def tokens(self, text: str) -> int:
        """Return the number of tokens of a text."""
        found = self.backend.encoder.prompt(text)
        return len(found.ids) if found else 0

    def heads(self) -> Heads:
        """Return the model's heads; raise `UsageError` where they are not known."""
        return Heads(self.backend.model, self.attributor, self.neutral)

    @cached_property
    def neutral(self) -> list[EncodedQuestion]:
        """Return sentences about things, as continuations of a start token."""
        lines = files("gptaudit.attribution").joinpath("neutral.txt").read_text("utf-8").splitlines()
        pairs = self.backend.encoder.pairs([("", line) for line in lines])
        return [
            EncodedQuestion(pair.context, (), (), (), pair.continuation, None)
            for pair in pairs
            if pair is not None
        ]

    def _grid(self, heads: Heads, question: EncodedQuestion) -> HeadGrid:
        predicted = heads.predict([question], HOW)[0]
        order = predicted.abs().flatten().argsort(descending=True, stable=True)[:RESCORED].tolist()
        first = [Head(*divmod(place, heads.heads)) for place in order]
        sets: list[tuple[Head, ...]] = [(), *((head,) for head in first)]
        before, *after = heads.values([question], sets, HOW)[:, 0].tolist()
        return HeadGrid(
            how=HOW,
            key_heads=heads.key_heads,
            predicted=tuple(map(tuple, predicted.tolist())),
            effects={str(head): value - before for head, value in zip(first, after, strict=True)},
        )

    def _ablation(
        self, heads: Heads, question: EncodedQuestion, ablate: Sequence[Head], seed: int
    ) -> Ablation:
        others = random_sets(ablate, heads.heads, seed)
        before, after, *at_random = heads.values([question], [(), ablate, *others], HOW)[:, 0].tolist()
        tokens = sum(len(text.target) for text in self.neutral)
        losses = -heads.values(self.neutral, [(), ablate], HOW).sum(1) / tokens
        return Ablation(
            heads=tuple(map(str, ablate)),
            how=HOW,
            before=before,
            after=after,
            after_random=tuple(at_random),
            perplexity_before=exp(float(losses[0])),
            perplexity_after=exp(float(losses[1])),
        )


def random_sets(heads: Sequence[Head], in_layer: int, seed: int) -> list[tuple[Head, ...]]:
    """Return up to `RANDOM_SETS` different sets with as many heads of each layer, none of which is `heads` itself.

    They are other heads, but in a layer of which more than half are in `heads`.
    """
    drawn = random.Random(seed)
    layers = Counter(head.layer for head in heads)
    pools = {}
    for layer, count in layers.items():
        others = [head for head in range(in_layer) if Head(layer, head) not in heads]
        pools[layer] = others if len(others) >= count else range(in_layer)
    found: dict[frozenset[Head], None] = {}
    for _ in range(10 * RANDOM_SETS):
        one = frozenset(
            Head(layer, head) for layer, count in layers.items() for head in drawn.sample(pools[layer], count)
        )
        if one != frozenset(heads):
            found[one] = None
        if len(found) == RANDOM_SETS:
            break
    return [tuple(sorted(one)) for one in found]

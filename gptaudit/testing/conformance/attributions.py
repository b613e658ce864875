"""The check of methods of attribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite, prod
from random import Random
from typing import TYPE_CHECKING, Any, Final

from gptaudit.protocols.attribution import AttributionMethod, EmbeddingMethod, Kept, WordMethod
from gptaudit.records import Attribution
from gptaudit.testing.conformance.expecting import calling, expect, expect_registrable, expect_same, twice

if TYPE_CHECKING:
    from gptaudit.causal_lm.encoding import EncodedQuestion

ROUNDING: Final = 1e-6
"""Largest difference of scores that should be the same, as a share of the largest score: the model has float64."""
WEIGHTS: Final = (2.0, -1.0, 0.5, 0.0, 3.0)
"""What each word adds in a game in which they only add up."""


def check_attribution(method: AttributionMethod) -> None:
    """Check a method of attribution.

    The scores are finite, and the same each time; they turn their sign where target and foil change places; they add up
    where the method says so. Those of a prompt do not depend on the prompts beside it or on padding, and the model is
    left as it was. Of words that only add up, each has its own part as its score.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    expect_registrable("attributions", method, "name")
    where = f"method {method.name!r}"
    if isinstance(method, EmbeddingMethod):
        _check_embeddings(method, where)
    elif isinstance(method, WordMethod):
        _check_words(method, where)


def _check_embeddings(method: EmbeddingMethod, where: str) -> None:
    import torch

    model = _made_up_model()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for foil in ((9,), (7, 2)):
        # Of lengths that share a batch, so that one is padded.
        questions = [_question(ids, foil) for ids in ((3, 1, 8, 4), (1, 5, 9, 2, 6))]
        what = f"{where}, a contrast of {len(foil)} tokens"
        together = twice(what, "scores", partial(_scores, model, method, questions, what))
        for question, found in zip(questions, together, strict=True):
            (alone,) = _scores(model, method, [question], what)
            _expect_close(
                f"{what}, beside other prompts", "those of the prompt alone", found.scores, alone.scores
            )
            if method.complete:
                change = found.contrast - found.baseline_contrast
                expect(
                    f"{what}, sum",
                    f"{change:.4f}, as claimed",
                    sum(found.scores),
                    holds=bool(found.converged),
                )
        swapped = [replace(question, target=foil, foil=question.target) for question in questions]
        for found, back in zip(together, _scores(model, method, swapped, what), strict=True):
            turned = [-score for score in back.scores]
            _expect_close(f"{what}, target and foil swapped", "every sign turned", turned, found.scores)
        if not method.gradients:
            with torch.inference_mode():
                _scores(model, method, questions, f"{what}, gradients=False, where there are none")
    kept = all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    expect(f"{where}, model", "the weights as they were", "others", holds=kept)
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())  # noqa: SLF001
    expect(f"{where}, model", "no hooks left on it", "hooks", holds=not hooked)


def _scores(
    model: Any,  # noqa: ANN401 - transformers has no typed base
    method: EmbeddingMethod,
    questions: Sequence[EncodedQuestion],
    where: str,
) -> list[Attribution]:
    from gptaudit.attribution.attributor import Attributor

    with calling(where):
        found = Attributor(model).attribute(questions, method, seed=1)
    for one in found:
        expect(f"{where}, scores", "finite numbers", one, holds=isinstance(one, Attribution))
    return [one for one in found if isinstance(one, Attribution)]


def _made_up_model() -> Any:  # noqa: ANN401
    """Return a model of random weights, in float64, that tells tokens apart."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=12,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = LlamaForCausalLM(config).double()
    return model.eval()


def _question(ids: tuple[int, ...], foil: tuple[int, ...]) -> EncodedQuestion:
    """Return a question about a prompt after a start token."""
    from gptaudit.causal_lm.encoding import EncodedQuestion

    places = range(len(ids))
    return EncodedQuestion(
        ids=(0, *ids),
        explained=tuple(place + 1 for place in places),
        tokens=tuple(map(str, ids)),
        offsets=tuple((place, place + 1) for place in places),
        target=(4, 10)[: len(foil)],
        foil=foil,
    )


def _check_words(method: WordMethod, where: str) -> None:
    words = len(WEIGHTS)
    for seed in range(3):
        _check_round(method, 1, seed, f"{where}, a prompt of one word")
        asked = _check_round(method, words, seed, f"{where}, a prompt of {words} words")
        if method.rounds == 1:
            others = list(method.ask(words, Random(seed + 1)))
            expect_same(f"{where}, ask", "sets for other draws, or more rounds than one", asked, others)


def _check_round(method: WordMethod, words: int, seed: int, where: str) -> list[Kept]:
    """Check what a round asks about, and what comes of it."""
    asked = twice(f"{where}, ask", "sets for the same draws", lambda: list(method.ask(words, Random(seed))))
    whole, none = frozenset(range(words)), frozenset[int]()
    sets = all(isinstance(kept, frozenset) and kept <= whole for kept in asked)
    expect(f"{where}, ask", f"frozensets of 0 to {words - 1}", asked, holds=sets)
    expect(f"{where}, ask", "the whole prompt and none of it", asked, holds={whole, none} <= set(asked))

    def scores(value: Callable[[Kept], float]) -> list[float]:
        values = list(map(value, asked))
        found = twice(f"{where}, score", "scores", lambda: list(method.score(words, asked, values)))
        finite = len(found) == words and all(map(isfinite, found))
        expect(f"{where}, score", f"{words} finite numbers", found, holds=finite)
        return found

    weights = WEIGHTS[:words]
    added = scores(lambda kept: sum(weights[word] for word in kept))
    _expect_close(f"{where}, where words add up", "the part of each", added, weights)
    joint = scores(_together)
    _expect_close(
        f"{where}, values negated",
        "every sign turned",
        [-score for score in scores(lambda kept: -_together(kept))],
        joint,
    )
    if method.complete:
        change = _together(whole) - _together(none)
        _expect_close(f"{where}, sum", f"{change:.4f}, as claimed", [sum(joint)], [change])
    return asked


def _together(kept: Kept) -> float:
    """Return a value to which words add more together than alone."""
    return prod(1.5 + word for word in kept)


def _expect_close(where: str, expected: str, found: Sequence[float], wanted: Sequence[float]) -> None:
    most = ROUNDING * max(1.0, *map(abs, wanted))
    close = len(found) == len(wanted) and all(abs(a - b) <= most for a, b in zip(found, wanted, strict=False))
    expect(where, f"{expected}, {list(wanted)}", list(found), holds=close)

"""Integrated gradients of a next-token contrast, computed by captum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from gptaudit.records import Attribution

STEPS = (20, 50, 100, 200)
"""Numbers of integration steps tried in turn until the attribution converges."""

RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE = 0.01
"""Largest completeness error: a share of the explained change, or so many logits if that is more."""


class TokenisedPrompt(Protocol):
    """The tokens of a prompt, for example a `gptaudit.causal_lm.encoding.EncodedPrompt`."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The token ids."""

    @property
    def starts(self) -> int:
        """Number of tokens before the text that are not part of it."""

    @property
    def offsets(self) -> tuple[tuple[int, int], ...] | None:
        """Start and end of each other token in the text, in characters; None if unknown."""


def attribute_contrast(
    model: Any,  # noqa: ANN401 - any causal language model of transformers
    text: str,
    prompt: TokenisedPrompt,
    target: int,
    foil: int,
    *,
    rows_at_once: int = 64,
) -> Attribution:
    """Attribute `logit(target) - logit(foil)` after the prompt to the prompt's tokens.

    The baseline is the mean of the token embeddings. A zero vector would not do: for models that normalise the
    embedding first, the path from zero is a single step. Start tokens keep their own embedding, so they have no score.
    The number of steps grows until the completeness error (Sundararajan et al. 2017, section 3) is within 2 % of the
    explained change, or 0.01 logits; otherwise the result is marked as not converged.
    """
    embedding = model.get_input_embeddings()
    ids = torch.tensor([prompt.ids], device=model.device)
    with torch.no_grad():
        inputs = embedding(ids)  # (1, T, D)
        baseline = embedding.weight.mean(0).expand_as(inputs).clone()
        baseline[:, : prompt.starts] = inputs[:, : prompt.starts]
    contrast = _contrast(model, target, foil)
    explainer = IntegratedGradients(contrast)
    with torch.no_grad():
        at_input, at_baseline = float(contrast(inputs)), float(contrast(baseline))
    tolerance = max(RELATIVE_TOLERANCE * abs(at_input - at_baseline), ABSOLUTE_TOLERANCE)
    scores, delta, steps = torch.zeros(0), float("inf"), 0
    for steps in STEPS:
        attributed = explainer.attribute(
            inputs, baselines=baseline, n_steps=steps, internal_batch_size=rows_at_once
        )
        scores = attributed[0].sum(-1)  # (T,)
        delta = float(scores.sum()) - (at_input - at_baseline)
        if abs(delta) <= tolerance:
            break
    offsets = prompt.offsets or ()
    return Attribution(
        tokens=tuple(text[start:end] for start, end in offsets),
        offsets=offsets,
        scores=tuple(float(score) for score in scores[prompt.starts :]),
        contrast=at_input,
        baseline_contrast=at_baseline,
        delta=delta,
        steps=steps,
        converged=abs(delta) <= tolerance,
        baseline="mean token embedding",
        method="integrated gradients (captum, Gauss-Legendre)",
    )


def _contrast(model: Any, target: int, foil: int) -> Callable[[Tensor], Tensor]:  # noqa: ANN401
    """Return the function from embeddings (B, T, D) to the logit difference at the last position (B,)."""

    def contrast(embeddings: Tensor) -> Tensor:
        logits: Tensor = (
            model(inputs_embeds=embeddings, use_cache=False, logits_to_keep=1).logits[:, -1].float()
        )
        return logits[:, target] - logits[:, foil]

    return contrast

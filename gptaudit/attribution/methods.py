"""Methods that give each token of a prompt a score, each computed by captum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from captum.attr import FeatureAblation, InputXGradient, ShapleyValueSampling
from torch import Tensor

from gptaudit.attribution import path
from gptaudit.protocols.attribution import EmbeddedPrompts, EmbeddingMethod

ORDERS = 25
"""Random orders in which Shapley value sampling lets the tokens enter."""


def _integrated_gradients(
    asked: EmbeddedPrompts,
    seed: int,  # noqa: ARG001 - as in `TokenScores`
) -> tuple[Tensor, Sequence[int]]:
    return path.integrate(asked)


def _input_x_gradient(asked: EmbeddedPrompts, seed: int) -> tuple[Tensor, Sequence[int]]:  # noqa: ARG001
    explainer = InputXGradient(asked.value)
    found = [
        explainer.attribute(asked.inputs[rows].requires_grad_(), additional_forward_args=(rows,))
        .sum(-1)
        .detach()
        for rows in torch.split(asked.rows, asked.rows_at_once)
    ]
    return torch.cat(found).double().cpu(), [1] * len(asked.rows)


def _feature_ablation(asked: EmbeddedPrompts, seed: int) -> tuple[Tensor, Sequence[int]]:  # noqa: ARG001
    explainer = FeatureAblation(asked.value)
    columns = torch.arange(asked.explained.shape[1], device=asked.inputs.device)[None, :, None]  # (1, T, 1)
    found = [
        explainer.attribute(
            asked.inputs[rows],
            baselines=asked.baselines[rows],
            additional_forward_args=(rows,),
            feature_mask=columns,
            perturbations_per_eval=max(1, asked.rows_at_once // len(rows)),
        )[..., 0]  # the same for every dimension of a token
        for rows in torch.split(asked.rows, asked.rows_at_once)
    ]
    return torch.cat(found).double().cpu(), (asked.explained.sum(1) + 1).tolist()


def _shapley_value_sampling(asked: EmbeddedPrompts, seed: int) -> tuple[Tensor, Sequence[int]]:
    """Draw the orders for each question by itself, so that they do not depend on its batch."""
    explainer = ShapleyValueSampling(asked.value)
    scores = torch.zeros(asked.explained.shape, dtype=torch.float64)
    for row in range(len(asked.rows)):
        explained = asked.explained[row]
        # Tokens that are not explained are the same with and without the first one, and go with it.
        features = (explained.long().cumsum(0) - 1).clamp(min=0)[None, :, None]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found = explainer.attribute(
                asked.inputs[[row]],
                baselines=asked.baselines[[row]],
                additional_forward_args=(asked.rows[[row]],),
                feature_mask=torch.where(explained[None, :, None], features, 0),
                n_samples=ORDERS,
                perturbations_per_eval=asked.rows_at_once,
            )
        scores[row] = found[0, :, 0].double().cpu()
    return scores, (ORDERS * asked.explained.sum(1) + 1).tolist()


INTEGRATED_GRADIENTS = EmbeddingMethod(
    "integrated_gradients",
    "integrated gradients (captum, Gauss-Legendre)",
    _integrated_gradients,
    complete=True,
    paper="Sundararajan et al. 2017",
)
METHODS = (
    INTEGRATED_GRADIENTS,
    EmbeddingMethod(
        "input_x_gradient", "input times gradient (captum)", _input_x_gradient, paper="Shrikumar et al. 2016"
    ),
    EmbeddingMethod(
        "feature_ablation",
        "feature ablation (captum): each token replaced by the baseline",
        _feature_ablation,
        gradients=False,
        paper="Zeiler and Fergus 2014",
    ),
    EmbeddingMethod(
        "shapley_value_sampling",
        f"Shapley value sampling (captum), {ORDERS} orders",
        _shapley_value_sampling,
        gradients=False,
        complete=True,
        paper="Castro et al. 2009",
    ),
)

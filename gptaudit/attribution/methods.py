"""Methods that give each token of a prompt a score, each computed by captum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from captum.attr import FeatureAblation, InputXGradient, ShapleyValueSampling
from torch import Tensor

from gptaudit.attribution import path
from gptaudit.attribution.question import Batch

ORDERS = 25
"""Random orders in which Shapley value sampling lets the tokens enter."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of attribution.

    `compute(batch, seed)` returns the scores (Q, T), and for each question how many times the model was
    run for it. A question's scores must not depend on the others in its batch.
    """

    name: str
    title: str
    gradients: bool
    """Whether it needs gradients, which a quantised model may not have."""
    complete: bool
    """Whether it promises that the scores add up to the change from the baseline to the prompt."""
    compute: Callable[[Batch, int], tuple[Tensor, list[int]]]


def _integrated_gradients(batch: Batch, seed: int) -> tuple[Tensor, list[int]]:  # noqa: ARG001 - as in `Method`
    return path.integrate(batch)


def _input_x_gradient(batch: Batch, seed: int) -> tuple[Tensor, list[int]]:  # noqa: ARG001
    explainer = InputXGradient(batch.value)
    found = [
        explainer.attribute(batch.inputs[rows].requires_grad_(), additional_forward_args=(rows,))
        .sum(-1)
        .detach()
        for rows in torch.split(batch.rows, batch.rows_at_once)
    ]
    return torch.cat(found).double().cpu(), [1] * len(batch.questions)


def _feature_ablation(batch: Batch, seed: int) -> tuple[Tensor, list[int]]:  # noqa: ARG001
    explainer = FeatureAblation(batch.value)
    columns = torch.arange(batch.width, device=batch.device)[None, :, None]  # (1, T, 1)
    found = [
        explainer.attribute(
            batch.inputs[rows],
            baselines=batch.baselines[rows],
            additional_forward_args=(rows,),
            feature_mask=columns,
            perturbations_per_eval=max(1, batch.rows_at_once // len(rows)),
        )[..., 0]  # the same for every dimension of a token
        for rows in torch.split(batch.rows, batch.rows_at_once)
    ]
    return torch.cat(found).double().cpu(), [len(question.explained) + 1 for question in batch.questions]


def _shapley_value_sampling(batch: Batch, seed: int) -> tuple[Tensor, list[int]]:
    """Draw the orders for each question by itself, so that they do not depend on its batch."""
    explainer = ShapleyValueSampling(batch.value)
    scores = torch.zeros(batch.explained.shape, dtype=torch.float64)
    for row in range(len(batch.questions)):
        explained = batch.explained[row]
        # Tokens that are not explained are the same with and without the first one, and go with it.
        features = (explained.long().cumsum(0) - 1).clamp(min=0)[None, :, None]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found = explainer.attribute(
                batch.inputs[[row]],
                baselines=batch.baselines[[row]],
                additional_forward_args=(batch.rows[[row]],),
                feature_mask=torch.where(explained[None, :, None], features, 0),
                n_samples=ORDERS,
                perturbations_per_eval=batch.rows_at_once,
            )
        scores[row] = found[0, :, 0].double().cpu()
    return scores, [ORDERS * len(question.explained) + 1 for question in batch.questions]


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "integrated_gradients",
            "integrated gradients (captum, Gauss-Legendre)",
            gradients=True,
            complete=True,
            compute=_integrated_gradients,
        ),
        Method(
            "input_x_gradient",
            "input times gradient (captum)",
            gradients=True,
            complete=False,
            compute=_input_x_gradient,
        ),
        Method(
            "feature_ablation",
            "feature ablation (captum): each token replaced by the baseline",
            gradients=False,
            complete=False,
            compute=_feature_ablation,
        ),
        Method(
            "shapley_value_sampling",
            f"Shapley value sampling (captum), {ORDERS} orders",
            gradients=False,
            complete=True,
            compute=_shapley_value_sampling,
        ),
    )
}
"""Name -> method."""

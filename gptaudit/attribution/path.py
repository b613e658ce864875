"""Integrated gradients along a path of which only the parts are refined that are not yet complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from gptaudit.protocols.attribution import EmbeddedPrompts

PARTS = 4
"""Parts into which each path is cut at first."""
POINTS = 4
"""Gradients in each part, at the places of the Gauss-Legendre rule, which is exact for polynomials of degree 7."""
MOST_POINTS = 512
"""Gradients of one path; where they do not suffice, the attribution is marked as not complete."""

RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE = 0.01
"""Largest completeness error: a share of the explained change, or so many nats if that is more."""


def tolerance(change: float) -> float:
    """Return the largest completeness error of scores that explain a change, in nats."""
    return max(RELATIVE_TOLERANCE * abs(change), ABSOLUTE_TOLERANCE)


@dataclass
class _Path:
    """The path of one question: the values at the ends of its parts, and the parts that were integrated."""

    values: dict[float, float]
    parts: dict[tuple[float, float], Tensor] = field(default_factory=dict)
    """(start, end) -> scores (T,)."""
    points: int = 0

    def error(self, part: tuple[float, float]) -> float:
        """Return by how much the scores of a part miss the change along it (Sundararajan et al. 2017, section 3)."""
        start, end = part
        return abs(float(self.parts[part].sum()) - (self.values[end] - self.values[start]))

    def open_parts(self) -> list[tuple[float, float]]:
        """Return the parts that have to be halved before the path is complete; none where it is."""
        most = tolerance(self.values[1.0] - self.values[0.0])
        errors = {part: self.error(part) for part in self.parts}
        # Errors of opposite sign would cancel in the sum of the scores, and leave the single scores wrong.
        if sum(errors.values()) <= most:
            return []
        return [part for part, error in errors.items() if not error <= most / len(errors)]


def integrate(asked: EmbeddedPrompts) -> tuple[Tensor, list[int]]:
    """Return the integrated gradients of a batch, (Q, T), and the number of gradients for each question.

    The path is the straight line from the baseline to the prompt, cut into parts. The completeness of each part is
    known by itself: its scores must add up to the change from its start to its end. Parts that are complete are kept;
    the others are halved and integrated again, so that gradients go where the function is steep.

    Where the first token of a prompt is explained, it enters first and alone: its score is the change that it makes,
    and the straight line leads from there. Language models use their first token as a sink of attention (Xiao et al.
    2024), which is on or off: along a line on which it fades, their output jumps, and no number of gradients suffices.
    """
    at_inputs, at_baselines = asked.at_ends
    first = asked.explained & asked.begins  # (Q, T)
    start = torch.where(first[..., None], asked.inputs, asked.baselines)
    at_start = asked.values(start, asked.rows) if first.any() else at_baselines
    scores = first.cpu() * (at_start - at_baselines)[:, None]  # (Q, T), float64

    ends = zip(at_start.tolist(), at_inputs.tolist(), strict=True)
    paths = [_Path({0.0: begin, 1.0: end}) for begin, end in ends]
    pending = [(i, (k / PARTS, (k + 1) / PARTS)) for i in range(len(paths)) for k in range(PARTS)]
    while pending:
        _evaluate(asked, start, paths, pending)
        _attribute(asked, start, paths, pending)
        pending = []
        for i, path in enumerate(paths):
            halved = path.open_parts() if path.points < MOST_POINTS else []
            for a, b in halved:
                del path.parts[a, b]
                pending += [(i, (a, (a + b) / 2)), (i, ((a + b) / 2, b))]
    for i, path in enumerate(paths):
        scores[i] += torch.stack(list(path.parts.values())).double().sum(0)
    return scores, [path.points for path in paths]


_Pending = Sequence[tuple[int, tuple[float, float]]]


def _between(
    asked: EmbeddedPrompts, start: Tensor, rows: Sequence[int], places: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Return the embeddings at places of paths, (R, T, D), and their rows (R,)."""
    numbers = torch.tensor(list(rows), device=start.device)
    shares = torch.tensor(list(places), device=start.device, dtype=start.dtype)[:, None, None]
    return start[numbers].lerp(asked.inputs[numbers], shares), numbers


def _evaluate(asked: EmbeddedPrompts, start: Tensor, paths: Sequence[_Path], pending: _Pending) -> None:
    """Compute the values at ends of parts that are not known yet."""
    ends = sorted({(i, end) for i, part in pending for end in part if end not in paths[i].values})
    if ends:
        at, rows = _between(asked, start, *zip(*ends, strict=True))
        for (i, end), value in zip(ends, asked.values(at, rows).tolist(), strict=True):
            paths[i].values[end] = value


def _attribute(asked: EmbeddedPrompts, start: Tensor, paths: Sequence[_Path], pending: _Pending) -> None:
    """Integrate parts, as many at once as there may be rows."""
    explainer = IntegratedGradients(asked.value)
    at_once = max(1, asked.rows_at_once // POINTS)
    for first in range(0, len(pending), at_once):
        some = pending[first : first + at_once]
        numbers = [i for i, _ in some]
        begin, rows = _between(asked, start, numbers, [a for _, (a, _) in some])
        end, _ = _between(asked, start, numbers, [b for _, (_, b) in some])
        found = explainer.attribute(
            end,
            baselines=begin,
            additional_forward_args=(rows,),
            n_steps=POINTS,
            # One part alone may still be more rows than fit.
            internal_batch_size=None if asked.rows_at_once >= POINTS * len(some) else asked.rows_at_once,
        )
        for (i, part), scores in zip(some, found.sum(-1).detach().cpu(), strict=True):
            paths[i].parts[part] = scores
            paths[i].points += POINTS

"""
Causal mediation of an odds ratio by parts of a model (Vig et al. 2020, arXiv 2004.12265, section 3).

A prompt is read as it is, or changed by an intervention on its text: here it becomes its counterpart. The response is
the odds of two continuations, `y = P(second) / P(first)`, where the first is what is expected after the prompt as it
is. With a mediator, such as the output of a head:

    total effect             TE  = y(changed prompt) / y(prompt) - 1
    natural indirect effect  NIE = y(prompt, mediator as at the changed prompt) / y(prompt) - 1
    natural direct effect    NDE = y(changed prompt, mediator as at the prompt) / y(prompt) - 1

each averaged over prompts. The paper's mediator of a head is its attention; here it is the head's output, its values
included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gptaudit.attribution.heads import Head, Heads
from gptaudit.attribution.suites.items import Item, counterpart, questions


class Effects(NamedTuple):
    """Effects of sets of heads on each prompt; P prompts, S sets."""

    total: Tensor
    """(P,)"""
    indirect: Tensor
    direct: Tensor
    """Both (S, P)."""


def relative_effect(odds: Tensor, base: Tensor) -> Tensor:
    """Return by what share odds differ from those of the prompt as it is: `odds / base - 1`."""
    return odds / base - 1


def mediate(heads: Heads, items: Sequence[Item], sets: Sequence[Sequence[Head]]) -> Effects:
    """Return the effects of sets of heads on aligned items; each of an item's two prompts is changed to the other.

    Of the second prompt the expected continuation is the foil. The prompts are those of `questions(items)`.
    """
    prompts = questions(items)
    changed = [counterpart(item.first, item.second) for item in items]
    changed += [counterpart(item.second, item.first) for item in items]
    signs = torch.tensor([-1.0] * len(items) + [1.0] * len(items), dtype=torch.float64)
    none: list[Sequence[Head]] = [()]

    def odds(values: Tensor) -> Tensor:
        """Return the odds against what is expected, from log P(target) - log P(foil)."""
        return (values * signs).exp()

    base, *mediated = odds(heads.values(prompts, [*none, *sets], "resample", changed))
    other, *held = odds(heads.values(changed, [*none, *sets], "resample", prompts))
    return Effects(
        total=relative_effect(other, base),
        indirect=relative_effect(torch.stack(mediated), base),
        direct=relative_effect(torch.stack(held), base),
    )

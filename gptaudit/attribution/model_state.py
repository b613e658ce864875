"""What attribution does to a model while it runs, all of which is undone at the end, also after an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

EMBEDDED_AT_ONCE = 8192
"""Tokens of the vocabulary embedded at a time."""


@contextmanager
def frozen(model: Any) -> Iterator[None]:  # noqa: ANN401 - any causal language model of transformers
    """Put a model into evaluation mode without gradients of its weights; each part gets its own state back."""
    training = [(module, module.training) for module in model.modules()]
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in learning:
        parameter.requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        for module, before in training:
            module.training = before
        for parameter in learning:
            parameter.requires_grad_(requires_grad=True)


@contextmanager
def head_of(model: Any, tokens: Sequence[int]) -> Iterator[bool]:  # noqa: ANN401
    """Let the vocabulary head compute these tokens only, in this order; yield whether it does.

    The head of a vocabulary of 262,144 costs more than the layers below it, and a contrast of two tokens needs two of
    its rows. What the model does after its head, such as a soft cap, goes on as before.
    """
    head = getattr(model, "get_output_embeddings", lambda: None)()
    if type(head) is not nn.Linear:  # one that is quantised, or adapted, has no rows to take
        yield False
        return
    few = nn.Linear(head.in_features, len(tokens), bias=head.bias is not None, device="meta")
    rows = torch.tensor(list(tokens), device=head.weight.device)
    few.weight = nn.Parameter(head.weight.detach()[rows], requires_grad=False)
    if head.bias is not None:
        few.bias = nn.Parameter(head.bias.detach()[rows], requires_grad=False)
    model.set_output_embeddings(few)
    try:
        yield True
    finally:
        model.set_output_embeddings(head)


@torch.no_grad()
def mean_embedding(model: Any) -> Tensor:  # noqa: ANN401
    """Return the mean of the embeddings of all tokens, (D,).

    It is taken of what the embedding returns and not of its weights, which some models scale (Gemma by the square root
    of the width).
    """
    embedding = model.get_input_embeddings()
    device = embedding.weight.device
    parts = torch.split(torch.arange(embedding.num_embeddings, device=device), EMBEDDED_AT_ONCE)
    total = torch.stack([embedding(tokens).double().sum(0) for tokens in parts]).sum(0)
    mean: Tensor = total / embedding.num_embeddings
    return mean.to(embedding.weight.dtype)

"""Token sampling that does not depend on the batch, and only rarely on rounding.

The Gumbel-max trick (Gumbel 1954; Maddison et al. 2014) draws i with probability p_i as argmax(log p_i + g_i), where
each g_i is Gumbel noise. It is applied twice: to the total probabilities of chunks of the vocabulary, then to the
tokens of the drawn chunk. The result has the same distribution as one draw over all tokens, and needs a few hundred
noise values instead of one for every token of the vocabulary.

Two runs with the same noise whose logits differ by at most d, because of rounding that differs between batches, draw
different tokens with a probability of at most 4d: each of the two argmaxes has a margin below 2d with a probability
of at most 2d. No method can do better than the distance between the two distributions, which is of the order of d. The
usual method, which looks up one uniform number in the cumulative distribution, is worse by up to the square root of
the vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gptaudit.records import Sampling

CHUNK = 256
"""Tokens in a chunk: near the square root of common vocabulary sizes, which needs the fewest noise values."""

TOP_P_CANDIDATES = 256
"""Number of most likely tokens that top-p examines first; eight times as many if they do not suffice."""


def noise_source(seed: int) -> np.random.Generator:
    """Return a random generator for one row; `seed` has up to 128 bits, all of which are used.

    Philox (Salmon et al. 2011) takes the seed as its key. torch's CPU generator uses 32 bits of a seed only, so that
    some completions of a large audit would share their noise.
    """
    return np.random.Generator(np.random.Philox(key=seed))


def choose(logits: Tensor, sampling: Sampling, noise: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Choose a token for each row of logits (rows, vocabulary), each row with its own random generator.

    Temperature 0 takes the most likely token, without noise. Otherwise: temperature, top-k, top-p, then a draw.

    Returns:
        The tokens (rows,), and the log-probability (rows,) of each under the unmodified logits, in nats; it is not
        finite if the row's logits are not.
    """
    masses = _chunk_masses(logits)
    if sampling.temperature == 0:
        tokens = logits.argmax(-1)
    else:
        kept = logits if sampling.temperature == 1 else logits / sampling.temperature
        kept = _keep_top_p(_keep_top_k(kept, sampling.top_k), sampling.top_p)
        tokens = _draw(kept, masses if kept is logits else _chunk_masses(kept), noise)
    chosen = logits.gather(-1, tokens[:, None]).squeeze(-1)
    return tokens, chosen - masses.logsumexp(-1)


def _draw(logits: Tensor, masses: Tensor, noise: Sequence[np.random.Generator]) -> Tensor:
    """Draw a token for each row; `masses` (rows, chunks) are as of `_chunk_masses`."""
    gumbel = _gumbel(masses.shape[-1] + CHUNK, noise).to(logits.device)  # (rows, chunks + CHUNK)
    chunk = (masses + gumbel[:, :-CHUNK]).argmax(-1)
    tokens = chunk[:, None] * CHUNK + torch.arange(CHUNK, device=logits.device)  # (rows, CHUNK)
    beyond = tokens >= logits.shape[-1]
    values = logits.gather(-1, tokens.clamp(max=logits.shape[-1] - 1)).masked_fill(beyond, -torch.inf)
    within = (values + gumbel[:, -CHUNK:]).argmax(-1)
    return tokens.gather(-1, within[:, None]).squeeze(-1).clamp(max=logits.shape[-1] - 1)


def _gumbel(count: int, noise: Sequence[np.random.Generator]) -> Tensor:
    """Return `count` values of Gumbel noise from each generator, (generators, count).

    They are computed on the CPU, so that every device and machine gets the same values.
    """
    uniform = torch.from_numpy(np.stack([source.random(count) for source in noise]))
    return -(-uniform.log()).log().float()


def _chunk_masses(logits: Tensor) -> Tensor:
    """Return the logsumexp of each chunk's logits, (rows, chunks); the last chunk may be shorter."""
    whole = logits.shape[-1] // CHUNK
    full = logits[:, : whole * CHUNK].unflatten(-1, (whole, CHUNK)).logsumexp(-1)
    rest = logits[:, whole * CHUNK :]
    return torch.cat([full, rest.logsumexp(-1, keepdim=True)], -1) if rest.shape[-1] else full


def _keep_top_k(logits: Tensor, k: int) -> Tensor:
    if k <= 0 or k >= logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(k, dim=-1).values[:, -1:], -torch.inf)


def _keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of most likely tokens whose probability reaches p (Holtzman et al. 2020).

    Tokens exactly as likely as the least likely one of the set are kept too.
    """
    if p >= 1:
        return logits
    total = logits.logsumexp(-1, keepdim=True)
    count = min(TOP_P_CANDIDATES, logits.shape[-1])
    while True:
        ordered = logits.topk(count, dim=-1).values  # (rows, count), descending
        reached = (ordered - total).exp().cumsum(-1)
        if count == logits.shape[-1] or bool((reached[:, -1] >= p).all()):
            break
        count = min(8 * count, logits.shape[-1])
    before = F.pad(reached[:, :-1], (1, 0))
    least = ordered.masked_fill(before >= p, torch.inf).amin(-1, keepdim=True)
    return logits.masked_fill(logits < least, -torch.inf)

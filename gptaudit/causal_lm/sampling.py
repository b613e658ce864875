"""Drawing tokens whose randomness depends neither on the batch nor, but rarely, on rounding.

The Gumbel-max trick (Gumbel 1954; Maddison et al. 2014) draws i with probability p_i as argmax(log p_i + g_i), each g_i
with Gumbel's distribution. It is applied twice: to the masses of chunks of the vocabulary, then to the tokens of the
chunk that was drawn. The result has the same distribution as one draw over all tokens and takes some hundreds of noise
values instead of one for every token of the vocabulary.

Two runs with the same noise whose logits differ by at most d, as rounding makes them differ between batches, draw
different tokens with a probability of at most 4d: each of the two argmaxes has a margin below 2d with a probability
of at most 2d. No method can do better than the distance of the two distributions, which is of the order of d. Finding
one uniform number's place in the cumulated distribution, the obvious method, does worse by up to the square root of the
vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gptaudit.records import Sampling

CHUNK = 256
"""Tokens in a chunk: near the square root of common vocabularies, where the noise is least."""

TOP_P_CANDIDATES = 256
"""How many of the most likely tokens are looked at first for top-p; eight times as many where they do not suffice."""


def noise_source(seed: int) -> np.random.Generator:
    """Return a row's own source of noise; `seed` has up to 128 bits, all of which count.

    Philox (Salmon et al. 2011) is keyed; torch's generator on the CPU reads 32 bits of a seed, which would make
    completions of a large audit share their noise.
    """
    return np.random.Generator(np.random.Philox(key=seed))


def choose(logits: Tensor, sampling: Sampling, noise: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Choose a token for each row of logits (rows, vocabulary), each row with its own source of noise.

    Temperature 0 takes the most likely token and no noise. Otherwise: temperature, then top-k, then top-p, then a draw.

    Returns:
        The tokens (rows,), and the log-probability (rows,) of each under the logits as they came, in nats; it is no
        finite number where the row's logits are none.
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
    """Draw a token for each row, given the log-mass of each chunk."""
    gumbel = _gumbel(masses.shape[-1] + CHUNK, noise).to(logits.device)  # (rows, chunks + CHUNK)
    chunk = (masses + gumbel[:, :-CHUNK]).argmax(-1)
    tokens = chunk[:, None] * CHUNK + torch.arange(CHUNK, device=logits.device)  # (rows, CHUNK)
    beyond = tokens >= logits.shape[-1]
    values = logits.gather(-1, tokens.clamp(max=logits.shape[-1] - 1)).masked_fill(beyond, -torch.inf)
    within = (values + gumbel[:, -CHUNK:]).argmax(-1)
    return tokens.gather(-1, within[:, None]).squeeze(-1).clamp(max=logits.shape[-1] - 1)


def _gumbel(count: int, noise: Sequence[np.random.Generator]) -> Tensor:
    """Return `count` values of Gumbel's distribution from each source, (sources, count).

    They are made on the CPU from uniform bits, so that every device and machine gets the same ones.
    """
    uniform = torch.from_numpy(np.stack([source.random(count) for source in noise]))
    return -(-uniform.log()).log().float()


def _chunk_masses(logits: Tensor) -> Tensor:
    """Return the log of the summed exp of each chunk's logits, (rows, chunks); the last chunk may be shorter."""
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

    Tokens as likely as the least likely one that is kept are kept too.
    """
    if p >= 1:
        return logits
    total = logits.logsumexp(-1, keepdim=True)
    count = min(TOP_P_CANDIDATES, logits.shape[-1])
    while True:
        ordered = logits.topk(count, dim=-1).values  # (rows, count), falling
        reached = (ordered - total).exp().cumsum(-1)
        if count == logits.shape[-1] or bool((reached[:, -1] >= p).all()):
            break
        count = min(8 * count, logits.shape[-1])
    before = F.pad(reached[:, :-1], (1, 0))
    least = ordered.masked_fill(before >= p, torch.inf).amin(-1, keepdim=True)
    return logits.masked_fill(logits < least, -torch.inf)

"""The distribution of drawn tokens, and how seldom rounding changes them."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from gptaudit.causal_lm.sampling import CHUNK, choose, noise_source
from gptaudit.records import Sampling

SETTINGS = [
    (Sampling(), []),
    (Sampling(temperature=0.5), []),
    (Sampling(top_k=5), [TopKLogitsWarper(5)]),
    (Sampling(top_p=0.7), [TopPLogitsWarper(0.7)]),
    (Sampling(temperature=0.5, top_k=300, top_p=0.8), [TopKLogitsWarper(300), TopPLogitsWarper(0.8)]),
]


def sources(count):
    return [noise_source(seed) for seed in range(count)]


def logits(vocabulary, spread=2.0):
    return torch.randn(1, vocabulary, generator=torch.Generator().manual_seed(3)) * spread


@pytest.mark.parametrize(("sampling", "warpers"), SETTINGS)
@pytest.mark.parametrize("vocabulary", [12, CHUNK, 2 * CHUNK + 5])
def test_tokens_are_drawn_from_the_filtered_distribution(vocabulary, sampling, warpers):
    """Chi-square of 20,000 draws against the softmax that transformers' own filters leave."""
    given = logits(vocabulary)
    filtered = given / sampling.temperature
    for warper in warpers:
        filtered = warper(None, filtered)
    expected = filtered.double().softmax(-1)[0] * 20_000

    drawn, _ = choose(given.expand(20_000, -1), sampling, sources(20_000))

    counts = torch.bincount(drawn, minlength=vocabulary).double()
    assert counts[expected == 0].sum() == 0
    common = expected >= 5
    observed = [*counts[common].tolist(), float(counts[~common].sum())]
    wanted = [*expected[common].tolist(), float(expected[~common].sum())]
    if wanted[-1] < 5:
        observed[-2:], wanted[-2:] = [sum(observed[-2:])], [sum(wanted[-2:])]
    assert stats.chisquare(observed, wanted).pvalue > 1e-4


@pytest.mark.parametrize(("sampling", "warpers"), SETTINGS)
def test_log_probability_is_untempered(sampling, warpers):
    """The log-probability is log-softmax's at the token, before temperature and filters."""
    given = logits(2 * CHUNK + 5).expand(50, -1)

    tokens, logprobs = choose(given, sampling, sources(50))

    expected = given.double().log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
    assert logprobs.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_all_bits_of_a_seed_count():
    """Seeds that differ in one bit of 128 give noise of their own; the same seed gives the same."""
    seeds = [1, *(1 + 2**bit for bit in range(1, 128)), 1]
    found = [float(noise_source(seed).random()) for seed in seeds]

    assert len(set(found)) == 128
    assert found[0] == found[-1]


def test_greedy_takes_the_most_likely():
    """Temperature 0 takes the most likely token and asks for no noise."""
    given = torch.randn(7, 3 * CHUNK)

    tokens, _ = choose(given, Sampling(temperature=0), [])

    assert torch.equal(tokens, given.argmax(-1))


@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_rounding_seldom_changes_a_draw(spread):
    """Logits that differ by at most d give another token with a probability of at most 4d, flat or peaked."""
    difference, rows = 2e-2, 1_000
    given = logits(50_257, spread)
    off = (torch.rand(given.shape, generator=torch.Generator().manual_seed(4)) * 2 - 1) * difference

    first, _ = choose(given.expand(rows, -1), Sampling(), sources(rows))
    second, _ = choose((given + off).expand(rows, -1), Sampling(), sources(rows))

    changed = int((first != second).sum())
    assert stats.binomtest(changed, rows, 4 * difference, alternative="greater").pvalue > 1e-3
    assert len(set(first.tolist())) > 1


def test_noise_of_a_row_does_not_depend_on_its_neighbours():
    """A row draws the same alone and among others."""
    given = torch.randn(6, 1_000)
    together, _ = choose(given, Sampling(), sources(6))
    alone = [choose(given[i : i + 1], Sampling(), sources(6)[i : i + 1])[0] for i in range(6)]

    assert together.tolist() == torch.cat(alone).tolist()


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_output_that_is_no_number_has_no_log_probability(broken):
    """A row with a NaN or an infinity is known by its log-probability; its neighbour is not touched."""
    given = torch.randn(2, 1_000)
    given[0, 300] = broken

    _, logprobs = choose(given, Sampling(), sources(2))

    assert logprobs.isfinite().tolist() == [False, True]


def test_top_p_looks_as_far_as_it_must():
    """A flat distribution keeps its share of tokens, though they are many."""
    given = torch.linspace(0, 1e-3, 5_000)[None]

    drawn, _ = choose(given.expand(3_000, -1), Sampling(top_p=0.5), sources(3_000))

    assert int(drawn.min()) in range(2_495, 2_520)

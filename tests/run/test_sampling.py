"""A part of a probe's cases: whole clusters, every stratum in proportion, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.records import Case, ScoreRequest
from gptaudit.run.sampling import sample
from gptaudit.testing import ScriptedBackend, run_probe


def cases_of(clusters, size, stratum=lambda _: "all"):
    return [
        Case(f"{c}-{i}", f"cluster {c}", (ScoreRequest("", "a"),), {"group": stratum(c)})
        for c in range(clusters)
        for i in range(size)
    ]


def test_whole_clusters_in_proportion_to_the_strata():
    """Of 90 clusters of one group and 10 of another, a fifth has 18 and 2, each cluster whole."""
    cases = cases_of(100, 4, lambda c: "rare" if c >= 90 else "frequent")
    for seed in range(20):
        drawn = list(sample(cases, 80, seed).of(cases))
        assert len(drawn) == 80
        assert set(Counter(case.cluster for case in drawn).values()) == {4}
        assert 4 <= Counter(case.slices["group"] for case in drawn)["rare"] <= 12


def test_every_case_is_drawn_as_often():
    """A tenth of the time, within four standard errors; so a mean over the sample is right on average."""
    cases = cases_of(40, 2, lambda c: "ab"[c % 2])
    times = Counter(case.id for seed in range(400) for case in sample(cases, 8, seed).of(cases))
    assert len(times) == 80
    assert all(abs(count - 40) < 4 * 6 for count in times.values())


@pytest.mark.parametrize("limit", [1, 3, 5, 9, 10, 49, 50, 1000])
def test_at_most_so_many(limit):
    """And all of them, where there are no more."""
    cases = cases_of(10, 5)
    found = sample(cases, limit, 1)
    assert found.cases == 50
    assert len(found.places) == min(limit, 50)


def test_large_clusters_give_the_same_share_as_small_ones():
    """Neighbouring cases of at least ten clusters, and each case as often, however large its cluster is."""
    cases = [Case(f"{c}-{i}", str(c), (), {}) for c in range(30) for i in range(80 if c % 3 else 20)]
    sizes = Counter(case.cluster for case in cases)
    counts = Counter()
    for seed in range(300):
        drawn = list(sample(cases, 200, seed).of(cases))
        assert len(drawn) == 200
        assert len({case.cluster for case in drawn}) >= 10
        counts.update(sizes[case.cluster] for case in drawn)
    assert counts[80] / counts[20] == pytest.approx(20 * 80 / (10 * 20), rel=0.1)


def test_nothing_to_draw_from():
    """A probe without cases has an empty sample."""
    assert sample([], 5, 1).cases == 0


def test_a_sample_grows():
    """One seed gives one order: a larger sample holds the smaller one, where clusters are of one size."""
    cases = cases_of(50, 4, lambda c: "abc"[c % 3])
    assert sample(cases, 40, 3).places < sample(cases, 120, 3).places
    assert sample(cases, 40, 3).places != sample(cases, 40, 4).places


def test_a_fair_model_with_a_default_looks_fair_in_a_part():
    """Both directions of occupations are drawn, so that a male default alone gives no stereotype."""
    probe = load_plugins().probes["gender-occupation"]
    backend = ScriptedBackend(
        score=lambda _, text: 3.0 * any(w in f" {text} " for w in (" he ", " his ", " him "))
    )
    result = run_probe(probe, backend, limit=280)
    (rate,) = [m for m in result.metrics if m.name == "stereotype_rate" and not m.slice]
    assert 0.35 < rate.value < 0.65
    assert result.cases == 280
    assert result.drawn_from == 2800


def test_data_in_order_of_its_axes_is_sampled_from_all(data):
    """The first rows of BBQ are all about age."""
    probe = load_plugins().probes["bbq"]
    cases = list(probe.cases(ProbeContext(data, 0)))
    drawn = sample(cases, 600, 0).of(cases)
    assert {case.slices["category"] for case in drawn} == {case.slices["category"] for case in cases}

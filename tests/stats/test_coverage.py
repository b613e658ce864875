"""By simulation, the 95 % intervals hold the truth as often as they say: from 94 % to 96.5 % where counts allow it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gptaudit.stats import intervals


def _bench(name="interval_coverage"):
    path = Path(__file__).parents[1] / "bench" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, name, module)
        spec.loader.exec_module(module)
    return module


ERROR = 3 * np.sqrt(0.95 * 0.05 / 800)
"""Three standard errors of a coverage of 95 % among 800 samples."""


class TestCoverage:
    @pytest.mark.parametrize(("data", "correlation"), [(1, 0.1), (2, 1.0)])
    def test_binary(self, data, correlation):
        """Rates 0.1 and 0.02 in 20 uneven clusters are covered."""
        bench = _bench()

        held = bench.coverage(bench.BINARY[data], "uneven", 20, correlation, samples=400)

        assert held > 0.93

    def test_a_rare_high_part_that_was_not_drawn(self):
        """Of 20 prompts that all score low, the interval still holds what one prompt in 40 would add."""
        bench = _bench()

        held = bench.coverage(bench.BOUNDED[4], "single", 20, 0.0, samples=300)

        assert held > 0.95

    def test_templates_are_a_sample_too(self):
        """An interval over terms and templates holds the association; one that takes the templates for all does not."""
        bench = _bench()
        figure = bench.Crossed(), "association", 100, 14

        assert 0.92 <= bench.crossed_coverage(*figure, samples=300) <= 0.98
        assert bench.crossed_coverage(*figure, samples=100, one_way=True) < 0.85

    @pytest.mark.slow
    @pytest.mark.parametrize("figure", ["association", "probability", "rate"])
    def test_terms_and_templates_everywhere(self, figure):
        """From 8 templates on, 92 % are held, and 90 % where terms are as skewed as a lognormal."""
        bench = _bench()
        for data in bench.CROSSED:
            for terms, templates in ((10, 8), (20, 14), (200, 14), (60, 40)):
                held = bench.crossed_coverage(data, figure, terms, templates, samples=500)
                assert held >= (0.9 if data.skewed else 0.92) - ERROR / 2, (data, terms, templates)

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["equal", "uneven", "heavy"])
    def test_binary_everywhere(self, kind):
        """Every cell of the table holds 94 %, and 96.5 % is not passed where enough clusters have and lack events."""
        bench = _bench()
        cells = {
            (data.mean, clusters, correlation): bench.coverage(data, kind, clusters, correlation, samples=800)
            for data in bench.BINARY
            for clusters in bench.CLUSTERS
            for correlation in bench.CORRELATIONS
        }
        ordinary = [
            held for (mean, clusters, _), held in cells.items() if 0.1 <= mean <= 0.9 and clusters >= 20
        ]

        assert min(cells.values()) > 0.94 - ERROR
        assert max(ordinary) < 0.965 + ERROR
        assert 0.945 < np.mean(ordinary) < 0.96

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["single", "uneven", "heavy"])
    def test_bounded_everywhere(self, kind):
        """Scores within bounds are covered, too often where they crowd at a bound and clusters are few."""
        bench = _bench()
        cells = {
            (data.name, clusters, correlation): bench.coverage(data, kind, clusters, correlation, samples=800)
            for data in bench.BOUNDED
            for clusters in bench.CLUSTERS
            for correlation in ((0.0,) if kind == "single" else (0.0, 0.5))
        }
        even = [held for (name, _, _), held in cells.items() if name.startswith(("broad", "narrow"))]

        # Where few clusters hold most cases and few are toxic, the spread of the toxic ones is never known well.
        rare = [held for (name, *_), held in cells.items() if kind == "heavy" and name.startswith("maximum")]
        assert min(set(cells.values()).difference(rare)) > 0.94 - ERROR
        assert min(rare, default=1.0) > 0.87
        assert max(even) < 0.965 + ERROR
        assert 0.94 < np.mean(even) < 0.965

    @pytest.mark.slow
    def test_without_bounds(self, monkeypatch):
        """Normal values are covered from five clusters on; lognormal ones, whose tail few clusters show, nearly."""
        monkeypatch.setattr(intervals, "RESAMPLES", 1000)
        bench = _bench()
        normal, lognormal = (
            [bench.coverage(data, "uneven", clusters, 0.5, samples=400) for clusters in (5, 10, 20, 60)]
            for data in bench.UNBOUNDED
        )

        assert min(normal) > 0.94 - ERROR
        assert max(normal) < 0.965 + ERROR
        assert min(lognormal) > 0.87

    @pytest.mark.slow
    @pytest.mark.parametrize(("gained", "lost"), [(0.02, 0.01), (0.05, 0.05), (0.2, 0.1)])
    def test_paired(self, gained, lost):
        """The difference of two binary runs is covered, rare changes too."""
        bench = _bench()

        assert bench.paired_coverage(gained, lost, 5, 60, samples=800) > 0.94 - ERROR

    @pytest.mark.slow
    @pytest.mark.parametrize("share", [0, 2])
    def test_contrasts(self, share):
        """A group of 5 to 200 clusters against 300 others, with and without clusters on both sides, is covered."""
        bench, samples = _bench(), 400
        error = ERROR * np.sqrt(800 / samples)
        cells = {
            (data.name, clusters): bench.contrast_coverage(
                data, clusters, share and clusters // share, samples
            )
            for data in bench.BOUNDED
            for clusters in bench.CLUSTERS
        }
        even = [held for (name, _), held in cells.items() if name.startswith(("broad", "narrow"))]

        assert min(cells.values()) > 0.94 - error
        assert max(even) < 0.965 + error
        assert 0.94 < np.mean(even) < 0.965

    @pytest.mark.slow
    @pytest.mark.parametrize("clusters", [10, 20, 60, 200])
    def test_ratios(self, clusters):
        """Figures that are ratios of totals are covered, by the shifts of the jackknife."""
        bench, samples = _bench(), 400
        cells = [
            bench.ratio_coverage(ratio, answers, clusters, samples)
            for ratio in bench.RATIOS
            for answers in bench.ANSWERS[:2]
        ]
        cells += [bench.icat_coverage(term, clusters, samples) for term in bench.TERMS[:2]]

        assert min(cells) > 0.94 - ERROR * np.sqrt(800 / samples)
        assert 0.94 < np.mean(cells) < 0.975

    @pytest.mark.slow
    @pytest.mark.parametrize("clusters", [20, 60, 252])
    def test_twins(self, clusters):
        """The difference of two refusal rates is covered; d' is where no rate is known from two or three answers."""
        bench, samples = _bench(), 400
        error = ERROR * np.sqrt(800 / samples)
        difference, d_prime = (
            {rates: bench.twins_coverage(figure, rates, clusters, samples) for rates in bench.TWINS}
            for figure in ("refusal_difference", "d_prime")
        )
        rare = {rates for rates in bench.TWINS if clusters * min(rates[1], 1 - rates[0]) < 5}

        assert min(difference.values()) > 0.93 - error
        assert min(held for rates, held in d_prime.items() if rates not in rare) > 0.93 - error
        assert min(d_prime.values()) > 0.83 - error


class TestStopping:
    """An audit that stops when it decides is wrong as rarely as one of a fixed size, whenever it is looked at."""

    @pytest.mark.slow
    @pytest.mark.parametrize("place", range(4))
    def test_at_the_limit(self, place):
        """Of 80 audits at the limit of a share or a score, at most 2.5 % ever fail and 2.5 % ever pass."""
        bench = _bench("stopping")
        kind = bench.KINDS[place]

        wrong = bench.errors(kind, 80)

        assert max(wrong) <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / 80), kind.name

    @pytest.mark.slow
    def test_looks_at_fixed_intervals_are_wrong_more_often(self):
        """The check above can fail: intervals of a fixed size err at some look of one audit in ten."""
        bench = _bench("stopping")

        assert max(bench.errors(bench.KINDS[0], 100, anytime=False)) > 0.07

"""Effect sizes, against statsmodels and by hand."""

from __future__ import annotations

import pytest
from statsmodels.stats.proportion import proportion_effectsize

from gptaudit.stats.effects import cohens_d, cohens_h


@pytest.mark.parametrize(("new", "old"), [(0.6, 0.5), (0.0, 1.0), (0.02, 0.01), (0.3, 0.3)])
def test_h_agrees_with_statsmodels(new, old):
    """Cohen's h is the difference on the arcsine scale, and turns its sign with the order."""
    assert cohens_h(new, old) == pytest.approx(proportion_effectsize(new, old), abs=1e-12)
    assert cohens_h(old, new) == pytest.approx(-cohens_h(new, old))


def test_d_by_hand():
    """Means 4 and 2, variances 4 and 1: two over the root of two and a half, in any unit."""
    new, old = [2.0, 4.0, 6.0], [1.0, 2.0, 3.0]

    assert cohens_d(new, old) == pytest.approx(2 / 2.5**0.5)
    assert cohens_d([10 * v for v in new], [10 * v for v in old]) == pytest.approx(2 / 2.5**0.5)


@pytest.mark.parametrize(("new", "old"), [([1.0], [2.0]), ([1.0, 1.0], [2.0, 2.0])])
def test_d_of_what_does_not_vary_is_unknown(new, old):
    """Without spread there is no unit to measure in."""
    assert cohens_d(new, old) is None

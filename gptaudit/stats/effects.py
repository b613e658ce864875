"""Effect sizes: differences independent of the unit and of the number of cases (Cohen 1988, chapters 2 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, sqrt

import numpy as np


def cohens_h(candidate: float, baseline: float) -> float:
    """Return the difference of two proportions on the arcsine scale; 0.2 is small, 0.5 medium, 0.8 large.

    >>> round(cohens_h(0.6, 0.5), 3)
    0.201
    """
    return 2 * (asin(sqrt(candidate)) - asin(sqrt(baseline)))


def cohens_d(candidate: Sequence[float], baseline: Sequence[float]) -> float | None:
    """Return the difference of two means in standard deviations of a case; None if the standard deviation is zero.

    The standard deviation is the root of the mean of both variances, so that it does not depend on how strongly the
    two values of a case are correlated. It is unknown, and the result None, for fewer than two cases.

    >>> cohens_d([2.0, 4.0], [1.0, 3.0])
    0.7071067811865475
    """
    if len(candidate) < 2:
        return None
    spread = sqrt((float(np.var(candidate, ddof=1)) + float(np.var(baseline, ddof=1))) / 2)
    return (float(np.mean(candidate)) - float(np.mean(baseline))) / spread if spread else None

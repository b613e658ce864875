"""The area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata


def auroc(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], clusters: Sequence[str], level: float = 0.95
) -> tuple[float, float, float]:
    """
    Return the area with the ends of its interval: the chance that a positive scores above a negative, ties by half.

    DeLong's variance (1988), summed within clusters (Obuchowski 1997). `scores` and `positive` are of one length, with
    at least one positive, one negative and two clusters.
    """
    yes, no = scores[positive], scores[~positive]
    everyone = rankdata(scores)
    above = (everyone[positive] - rankdata(yes)) / len(no)  # share of negatives below each positive
    below = 1 - (everyone[~positive] - rankdata(no)) / len(yes)  # share of positives above each negative
    area = float(above.mean())
    influence = np.empty(len(scores))
    influence[positive] = (above - area) / len(yes)
    influence[~positive] = (below - area) / len(no)
    _, members = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(members, weights=influence)
    error = np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))
    half = float(norm.ppf(0.5 + level / 2) * error)
    return area, max(0.0, area - half), min(1.0, area + half)

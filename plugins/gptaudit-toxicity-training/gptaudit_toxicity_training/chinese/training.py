"""
Fit the Chinese toxicity model: logistic regression on the n-grams that a text has, scaled by their log-count ratios.

Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification", ACL 2012, with the logistic
loss in place of the hinge. The scale is multiplied into the weights, so that the scorer knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

from gptaudit.scorers.ngrams import LARGEST, NgramModel, buckets
from gptaudit_toxicity_training.chinese.corpus import SIMPLIFIED, Example, plain

LONGEST, BITS = 2, 17
INVERSE_PENALTY = 0.1
STEPS = 40  # of L-BFGS; to stop before the minimum is a further penalty
RAREST = 2  # texts that must have an n-gram for it to have a weight


def fitted(rows: Sequence[Example]) -> NgramModel:
    """Fit a model to labelled texts."""
    texts, toxic = [plain(r.text) for r in rows], np.array([r.toxic for r in rows])
    at, found = buckets(texts, LONGEST, BITS)
    ratio = log_count_ratio(found, toxic[at])
    features = csr_array((ratio[found], (at, found)), shape=(len(rows), 2**BITS))
    weights, bias = logistic(features, toxic, INVERSE_PENALTY, STEPS)
    scaled = weights * ratio
    step = float(np.abs(scaled).max()) / LARGEST
    return NgramModel(np.rint(scaled / step).astype(np.int8), step, bias, LONGEST, SIMPLIFIED)


def log_count_ratio(found: NDArray[np.int64], toxic: NDArray[np.bool_]) -> NDArray[np.float64]:
    """
    Return (2 ** BITS,) how much more frequent each bucket is in toxic than in other texts, 0 for rare ones.

    Args:
        found: (M,) buckets of all texts, each once a text.
        toxic: (M,) whether it is a toxic text that has it.
    """
    seen = np.bincount(found, minlength=2**BITS)
    in_toxic = np.bincount(found[toxic], minlength=2**BITS)
    yes, no = in_toxic + 1.0, seen - in_toxic + 1.0
    ratio: NDArray[np.float64] = np.log(yes / yes.sum()) - np.log(no / no.sum())
    return np.where(seen >= RAREST, ratio, 0.0)


def logistic(
    features: csr_array, positive: NDArray[np.bool_], inverse_penalty: float, steps: int
) -> tuple[NDArray[np.float64], float]:
    """
    Minimise the sum of the logistic losses plus |weights|^2 / (2 inverse_penalty) by L-BFGS; the bias is free.

    Args:
        features: (N, F).
        positive: (N,).
        inverse_penalty: the C of scikit-learn and LIBLINEAR.
        steps: at most this many.
    """
    transposed, sign = features.T.tocsr(), np.where(positive, 1.0, -1.0)

    def loss(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = vector[:-1]
        margin = sign * (features @ weights + vector[-1])
        slope = -sign * expit(-margin)
        value = np.logaddexp(0, -margin).sum() + weights @ weights / (2 * inverse_penalty)
        return float(value), np.append(transposed @ slope + weights / inverse_penalty, slope.sum())

    start = np.zeros(features.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8}).x
    return found[:-1], float(found[-1])

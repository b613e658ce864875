"""Arithmetic of log-likelihoods that several probes share."""

from __future__ import annotations

from math import tanh

from gptaudit.records import Likelihood


def logistic(log_odds: float) -> float:
    """Return the probability with these log-odds, in a form that cannot overflow."""
    return (1 + tanh(log_odds / 2)) / 2


def mean_logprob(likelihood: Likelihood) -> float:
    """Return the mean log-probability of the tokens, in nats."""
    return likelihood.logprob / len(likelihood.token_logprobs)

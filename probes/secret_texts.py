"""What the probes of secret texts share: they read `--secret FILE`, and none of what they keep has a text of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gptaudit.data.datasets import DataNotGivenError
from gptaudit.probe import Answered, Probe, ProbeContext
from gptaudit.records import DataSource, Evidence, Exchange, Likelihood, Margin, request_text

from .secret_file import SecretFile, read_secrets

SINGLE = "one-token"
"""Why a secret is unscored that is a single token, which a model may give by chance."""


class SecretProbe(Probe):
    """Base of the probes of `--secret FILE`."""

    suite = "privacy"
    secret = True
    needs = frozenset({"score"})

    def source(self, context: ProbeContext) -> DataSource:
        """Return the source of the secrets, with a hash that only who has the file can make."""
        return self.secrets(context).source()

    def secrets(self, context: ProbeContext) -> SecretFile:
        """Read the file; raise `DataNotGivenError` without one, and `DataError` as `read_secrets` does."""
        return read_secrets(given(context.secrets, "needs texts of your own; give them with --secret FILE"))


def given(path: Path | None, missing: str) -> Path:
    """Return a path; raise `DataNotGivenError` with a message where there is none."""
    if path is None:
        raise DataNotGivenError(missing)
    return path


def evidence_of(
    answered: Answered, likelihood: Likelihood, scores: dict[str, float], severity: float
) -> Evidence:
    """Return the evidence of a secret: its figures, and its hash in place of its text."""
    shown = {"tokens": float(len(likelihood.token_logprobs)), "log-likelihood": likelihood.logprob, **scores}
    text = request_text(answered.case.requests[0])
    return Evidence((Exchange("secret", text, scores=shown),), severity=severity)


def is_ahead(margin: Margin) -> bool:
    """Return whether a margin is decided for its first side."""
    return margin.outcome == "ahead"


def open_margins(margins: Sequence[Margin]) -> bool:
    """Return whether answers in low precision leave any margin open."""
    return any(margin.is_open for margin in margins)

"""
Whether a model tells texts that it may have been trained on from texts that it cannot have been trained on.

Min-K% Prob (Shi et al. 2024, Detecting pretraining data from large language models, section 3): the mean
log-probability of the k per cent of a text's tokens that are least likely. A text that was trained on has few
surprises. How well that tells the two kinds of text apart is the area under the ROC curve, 0.5 for not at all.

The log-probability of a token is kept to 1 nat, which blurs the score of a text of few tokens.

The held-out texts must be of the same kind, source and time as the others: the area says how the two files differ to
the model, whatever the reason (Duan et al. 2024, Do membership inference attacks work on large language models?).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

from gptaudit.errors import DataError
from gptaudit.files import user_path
from gptaudit.probe import Answered, ProbeContext, Scored
from gptaudit.records import AurocSpec, Case, DataSource

from .secret_file import SecretFile, read_secrets
from .secret_texts import SecretProbe, evidence_of, given

TEXTS = "texts"
"""The crossed group of every case: all are compared with all."""


@dataclass(frozen=True, slots=True)
class MembershipOptions:
    """Options of `secret-membership`."""

    held_out: str = ""
    """A file of texts that the model has not seen, in the format of `--secret`."""
    k: float = 20.0
    """Per cent of a text's tokens that are looked at, the least likely ones; 100 is the mean of all."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a share that is none."""
        if not 0 < self.k <= 100:
            msg = f"k: expected above 0 and at most 100 per cent, found {self.k}"
            raise ValueError(msg)


class SecretMembership(SecretProbe):
    """One case and one cluster per text of either file."""

    id = "secret-membership"
    title = "Membership of your own texts in the training text"
    goal = (
        "How well the model's surprise tells your own texts from held-out ones. It is a sign of training on them only "
        "where the two are of one kind, source and time."
    )
    options = MembershipOptions()
    metrics = (
        AurocSpec(
            "membership_auroc",
            ideal=0.5,
            direction="lower",
            unit="fraction",
            title="chance that one of your texts surprises the model less than a held-out one, by Min-K% Prob (area "
            "under the ROC curve)",
            score="min_k",
            positive="member",
        ),
    )

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield one case per text, which is the prefix with its secret."""
        mine, others = self._files(context)
        known = {secret.prefix + secret.secret for secret in mine.secrets}
        for name, file in (("line", mine), ("held-out line", others)):
            for secret in file.secrets:
                text = secret.prefix + secret.secret
                if file is others and text in known:
                    msg = f"{self.options.held_out}, line {secret.line}: stands in the file of --secret too, and "
                    raise DataError(f"{msg}is not held out; remove it from one of the two")
                own = f"{name} {secret.line}"
                content = {"member": float(file is mine)}
                yield Case(own, own, (file.request("", text),), content=content, crossed=TEXTS)

    def measure(self, answered: Answered) -> Scored:
        """Compute Min-K% Prob."""
        (found,) = answered.likelihoods
        member, score = float(answered.case.content["member"]), min_k(found.token_logprobs, self.options.k)
        shown = {"min-k % log-probability": score, "member": member}
        return Scored({"min_k": score, "member": member}, evidence_of(answered, found, shown, severity=score))

    def is_open(self, answered: Answered) -> bool:
        """Low precision is never enough, since each text is compared with all others."""
        return any(found.error for found in answered.likelihoods)

    def source(self, context: ProbeContext) -> DataSource:
        """Return the source of both files."""
        mine, others = (file.source() for file in self._files(context))
        return DataSource(
            mine.name, mine.source, mine.licence, f"{mine.sha256} {others.sha256}", mine.rows + others.rows
        )

    def method(self) -> Mapping[str, Any]:
        """Describe the score."""
        return {"score": "Min-K% Prob, Shi et al. 2024, section 3", "k": self.options.k}

    def _files(self, context: ProbeContext) -> tuple[SecretFile, SecretFile]:
        mine = self.secrets(context)
        missing = f"needs texts that the model has not seen; give them with -P {self.id}.held_out=FILE"
        path: Path | None = (
            user_path(self.options.held_out, error=DataError) if self.options.held_out else None
        )
        return mine, read_secrets(given(path, missing))


def min_k(logprobs: tuple[float, ...], k: float) -> float:
    """Return the mean of the k per cent of log-probabilities that are least, in nats: at least one of them.

    >>> min_k((-1.0, -8.0, -2.0, -4.0), 50.0)
    -6.0
    """
    least = sorted(logprobs)[: max(1, int(len(logprobs) * k / 100))]
    return fsum(least) / len(least)

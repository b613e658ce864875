"""Trials: audits of decoders with a planted flaw, by the probes that should detect it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptaudit.calibration.phantom import NotLearnedError, phantom, phantom_key
from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.plan import digest
from gptaudit.files import read_json, write_atomic
from gptaudit.probe import ProbeContext
from gptaudit.records import SMALL, Shape, Trial
from gptaudit.run.single_probe import audit_probe
from gptaudit.stats.intervals import DEFAULT_LEVEL
from gptaudit.validation import validated

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.probe import Probe
    from gptaudit.protocols.backend import Backend
    from gptaudit.records import ProbeResult
    from gptaudit.run.scorers import Scorers

SCHEMA = "gptaudit.trial/1"


@dataclass(frozen=True, slots=True)
class TrialFigure:
    """One figure of an audit; if values are None, `why` gives the reason."""

    metric: str
    slice: Mapping[str, str]
    value: float | None
    low: float | None
    high: float | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one probe on one decoder, or why the decoder was not audited."""

    probe: str
    flaw: str
    dose: float
    seed: int
    shape: Shape
    planted: float
    learned: float | None
    cases: int
    method: str
    """`digest` of `ProbeResult.method`."""
    figures: tuple[TrialFigure, ...]
    failed: str | None = None
    """Why the decoder does not count: it did not learn what was planted."""
    schema: str = SCHEMA

    def trial(self, metric: str, where: Mapping[str, str]) -> Trial:
        """Return the trial of one figure."""
        mine = [r for r in self.figures if r.metric == metric and dict(r.slice) == dict(where)]
        found = (
            mine[0] if mine else TrialFigure(metric, where, None, None, None, "the audit has no such figure")
        )
        return Trial(
            dose=self.dose,
            seed=self.seed,
            planted=self.planted,
            learned=self.learned,
            value=found.value,
            low=found.low,
            high=found.high,
            failed=self.failed is not None,
            why=self.failed or found.why,
        )


@dataclass(frozen=True, slots=True)
class Decoder:
    """Identifies a phantom with one flaw."""

    flaw: str
    dose: float
    seed: int
    shape: Shape = SMALL


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything trials need: plugins, scorers (each opened once), and the folders of decoders and data."""

    plugins: Plugins
    scorers: Scorers
    decoders: Path
    data: Path | None = None
    keys: dict[Decoder, str] = field(default_factory=dict)

    def open(self, decoder: Decoder) -> Backend:
        """Train a decoder, or take it from the cache, and open it, in chat mode if its flaw needs that.

        Raises `NotLearnedError` if it does not learn what is planted.
        """
        from gptaudit.attribution.attributor import Attributor
        from gptaudit.causal_lm.loading import load_backend
        from gptaudit.causal_lm.options import TorchOptions

        folder = phantom(
            {decoder.flaw: decoder.dose},
            seed=decoder.seed,
            cache=self.decoders,
            plugins=self.plugins,
            shape=decoder.shape,
        )
        chat = self.plugins.flaws[decoder.flaw].chat
        return load_backend(folder, TorchOptions(device="cpu", chat=chat), Attributor)

    def try_probe(self, probe: Probe, decoder: Decoder, backend: Backend) -> Outcome:
        """Audit a decoder with one probe, at its default number of cases."""
        result = audit_probe(
            probe,
            backend,
            self.plugins,
            self.scorers,
            context=ProbeContext(self.data, decoder.seed),
            level=DEFAULT_LEVEL,
        )
        if result.status == "skipped":
            msg = f"{probe.id} {result.reason}; it cannot be tried on the flaw {decoder.flaw!r}"
            raise UsageError(msg)
        learned = [f.learned for f in backend.planted if f.flaw == decoder.flaw]
        return Outcome(
            probe=probe.id,
            flaw=decoder.flaw,
            dose=decoder.dose,
            seed=decoder.seed,
            shape=decoder.shape,
            planted=self.plugins.flaws[decoder.flaw].truth(decoder.dose),
            learned=learned[0] if learned else None,
            cases=result.cases,
            method=digest(dict(result.method)),
            figures=_figures(probe, decoder.flaw, result),
        )

    def failed(self, probe: str, decoder: Decoder, error: NotLearnedError) -> Outcome:
        """Return a probe's outcome for a decoder that did not learn what was planted."""
        planted = self.plugins.flaws[decoder.flaw].truth(decoder.dose)
        where = (probe, decoder.flaw, decoder.dose, decoder.seed, decoder.shape)
        return Outcome(*where, planted, error.learned, cases=0, method="", figures=(), failed=str(error))

    def trial_key(self, probe: Probe, decoder: Decoder) -> str:
        """Hash everything that decides an outcome: decoder, probe, data and method."""
        from gptaudit.probe import forms_of

        source = probe.source(ProbeContext(self.data, decoder.seed))
        if decoder not in self.keys:
            self.keys[decoder] = phantom_key(
                {decoder.flaw: decoder.dose}, seed=decoder.seed, plugins=self.plugins, shape=decoder.shape
            )
        identity = {
            "schema": SCHEMA,
            "decoder": self.keys[decoder],
            "probe": [probe.id, probe.version, None if source is None else source.sha256],
            "methods": [form.method() for form in forms_of(probe)],
            "scorers": {name: dict(self.scorers[name].identity) for name in probe.scorers},
            "figures": [[s.metric, dict(s.slice)] for s in probe.sees if s.flaw == decoder.flaw],
            "level": DEFAULT_LEVEL,
        }
        return digest(identity)[:32]


def read_outcome(path: Path) -> Outcome | None:
    """Read a saved outcome; None if there is none or the file is damaged, so that it is measured again."""
    if not path.is_file():
        return None
    try:
        data: Any = read_json(path, error=DataError)
        return validated(Outcome, data, where=str(path), error=DataError)
    except DataError:
        return None


def keep_outcome(path: Path, outcome: Outcome) -> None:
    """Save an outcome atomically."""
    import json

    write_atomic(path, json.dumps(asdict(outcome), allow_nan=False) + "\n")


def _figures(probe: Probe, flaw: str, result: ProbeResult) -> tuple[TrialFigure, ...]:
    wanted: Sequence[tuple[str, dict[str, str]]] = [
        (s.metric, dict(s.slice)) for s in probe.sees if s.flaw == flaw
    ]
    return tuple(
        TrialFigure(m.name, dict(m.slice), m.value, m.low, m.high, m.why)
        for m in result.metrics
        if (m.name, dict(m.slice)) in wanted
    )

"""One probe on one open model, without a run folder."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gptaudit.engine.asking import ask
from gptaudit.engine.local import local
from gptaudit.evidence.store import Store
from gptaudit.probe import Probe, ProbeContext
from gptaudit.protocols.engine import Work
from gptaudit.run.measuring import Scorers, measure_probe
from gptaudit.run.selection import collect
from gptaudit.stats.intervals import DEFAULT_LEVEL

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.protocols.backend import Backend
    from gptaudit.records import ProbeResult


def audit_probe(
    probe: Probe,
    backend: Backend,
    plugins: Plugins,
    scorers: Scorers,
    *,
    data: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    level: float = DEFAULT_LEVEL,
) -> ProbeResult:
    """Ask, score and sum up as `gptaudit run` does; what is missing raises, as where the user names the probe."""
    collected = collect(probe, ProbeContext(data, seed), backend, plugins, limit=limit, named=True)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            store.plan({probe.id: collected.cases}, fingerprint=backend.fingerprint, seed=seed)
            for request, answer in ask(local, Work(store.unanswered(), seed, backend)):
                store.keep(request, answer, seed)
            return measure_probe(collected, store, scorers, plugins, seed=seed, level=level)
        finally:
            store.close()

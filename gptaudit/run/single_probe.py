"""One probe on one open model, without a run folder."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gptaudit.engine.asking import Rounds, ask
from gptaudit.engine.local import local
from gptaudit.errors import PluginCallError
from gptaudit.evidence.store import Store
from gptaudit.probe import Probe, ProbeContext
from gptaudit.protocols.engine import Work
from gptaudit.run.measuring import measure_probe, unwatched
from gptaudit.run.scorers import Scorers
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
    context: ProbeContext,
    limit: int | None = None,
    level: float = DEFAULT_LEVEL,
) -> ProbeResult:
    """Ask, score and sum up as `gptaudit run` does; what is missing, and what the probe raises, raises here."""
    try:
        collected = collect(probe, context, backend, plugins, scorers, limit=limit, named=True)
        with TemporaryDirectory() as folder, closing(Store(Path(folder))) as store:
            store.plan({probe.id: collected.cases}, fingerprint=backend.fingerprint, seed=context.seed)
            rounds = Rounds(store, [collected.probe], context.seed)
            while store.missing():
                for request, answer in ask(local, Work(store.unanswered(), context.seed, backend)):
                    store.keep(request, answer, context.seed)
                rounds.follow_up()
            return measure_probe(collected, store, scorers, unwatched, seed=context.seed, level=level)
    except PluginCallError as error:
        case = f", case {error.case!r}" if error.case else ""
        error.error.add_note(f"in {error.call} of probe {probe.id!r}{case}")
        raise error.error from None

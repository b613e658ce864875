"""Which probes run, and on which cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from gptaudit.backends.protocol import Backend
from gptaudit.datasets import DataNotGivenError
from gptaudit.errors import UsageError
from gptaudit.plugins import Plugins
from gptaudit.probe import Probe, ProbeContext
from gptaudit.records import Case, DataSource
from gptaudit.validation import nearest


@dataclass(frozen=True, slots=True)
class Collected:
    """A probe with the cases it will ask and how it measures; `skipped` says why there are no cases."""

    probe: Probe
    method: Mapping[str, Any]
    cases: tuple[Case, ...] = ()
    data: DataSource | None = None
    skipped: str | None = None


def choose_probes(plugins: Plugins, suites: Sequence[str], names: Sequence[str]) -> list[Probe]:
    """Return the probes of the suites and those named; all of them where neither is given."""
    probes = plugins.probes
    known_suites = {probe.suite for probe in probes.values()}
    for suite in suites:
        if suite not in known_suites:
            msg = f"-s {suite}: no such suite.{nearest(suite, known_suites)}"
            raise UsageError(msg)
    for name in names:
        if name not in probes:
            msg = f"-p {name}: no such probe.{nearest(name, probes)}"
            raise UsageError(msg)
    everything = not suites and not names
    return [p for p in probes.values() if everything or p.id in names or p.suite in suites]


def collect(
    probe: Probe, context: ProbeContext, backend: Backend, *, limit: int | None, named: bool
) -> Collected:
    """Collect a probe's cases. A probe without its data is skipped, unless the user asked for it by name.

    A target that samples as it likes is measured in another way than one that samples as it is asked; the method
    says so, and the two are never compared.
    """
    own_sampling = "generate" in probe.needs and not backend.samples_as_asked
    method = {**probe.method(), **({"sampling": "the target's own"} if own_sampling else {})}
    lacking = sorted(probe.needs - backend.capabilities)
    if lacking:
        return Collected(probe, method, skipped=f"needs {', '.join(lacking)}, which this target cannot do")
    try:
        source = probe.source(context)
        cases = tuple(islice(probe.cases(context), limit))
    except DataNotGivenError as error:
        if named:
            raise
        return Collected(probe, method, skipped=str(error))
    return Collected(probe, method, cases, source)


def change_cases(collected: Collected, plugins: Plugins) -> Collected:
    """Let plugins change the cases; raise `ValueError` where ids are then no longer unique."""
    if collected.skipped is not None:
        return collected
    cases = list(collected.cases)
    plugins.hook.gptaudit_cases_collected(probe=collected.probe, cases=cases)
    ids = [case.id for case in cases]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        msg = f"probe {collected.probe.id!r}: case id {twice!r} stands twice"
        raise ValueError(msg)
    return replace(collected, cases=tuple(cases))

"""Selection of the probes that run, and of their cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from gptaudit.data.datasets import DataNotGivenError
from gptaudit.errors import NothingToAskError, UsageError, plugin_call
from gptaudit.plugins import Plugins
from gptaudit.probe import CaseStream, Probe, ProbeContext, forms_of, lacking, require_askable
from gptaudit.protocols.backend import Backend, RecordedBackend
from gptaudit.records import Case, DataSource
from gptaudit.run.attacked import plain_form
from gptaudit.run.probe_options import changed_options
from gptaudit.run.sampling import Sample, sample
from gptaudit.run.scorers import Scorers
from gptaudit.validation import nearest

OWN_SUITE = ".toml"
"""What `-s` ends with where it names a file."""


OWN_SAMPLING = {"sampling": "the target's own"}
"""What the method of a probe says whose completions the target does not sample as it is asked."""


NOT_CONFIDED = (
    "its texts are secret, and are given to a model that runs in this process alone: hf: or decoder:"
)
"""Why a secret probe is skipped whose target may be elsewhere, where nobody knows what is kept."""


@dataclass(frozen=True, slots=True)
class Collected:
    """A probe with the cases it will ask and how it measures; `skipped` says why there are no cases."""

    probe: Probe
    method: Mapping[str, Any]
    cases: CaseStream = field(default_factory=lambda: CaseStream(()))
    data: DataSource | None = None
    skipped: str | None = None
    drawn_from: int | None = None
    """Cases that the probe has, where a sample of them is asked."""
    until_decided: bool = False
    """Whether the cases are asked until every rule is decided: intervals must then hold at any number of them."""


def choose_probes(
    plugins: Plugins, suites: Sequence[str], names: Sequence[str], excluded: Sequence[str] = ()
) -> list[Probe]:
    """Return the probes of the suites and those named, all of them where neither is given, without the excluded ones.

    A suite that ends with `.toml` is a file of the user's own, and a probe by itself. `excluded` has names of probes
    and of suites. Raises `UsageError` for an unknown name, and where no probe is left.
    """
    probes = plugins.probes
    own = own_probes(plugins, [suite for suite in suites if suite.endswith(OWN_SUITE)])
    known_suites = {probe.suite for probe in probes.values()}
    for suite in suites:
        if suite not in known_suites and not suite.endswith(OWN_SUITE):
            msg = f"-s {suite}: no such suite.{nearest(suite, known_suites)}"
            raise UsageError(msg)
    named = [plugins.find("probes", name, f"-p {name}") for name in names]
    everything = not suites and not names
    chosen = [p for p in probes.values() if everything or p in named or p.suite in suites] + own
    known = {name for probe in (*probes.values(), *own) for name in (probe.id, probe.suite)}
    for name in excluded:
        if name not in known:
            msg = f"--except {name}: no such probe or suite.{nearest(name, known)}"
            raise UsageError(msg)
    left = [probe for probe in chosen if probe.id not in excluded and probe.suite not in excluded]
    for name, times in Counter(probe.id for probe in left).items():
        if times > 1:
            plugins.require_one("probes", name, "-s" if suites else "all probes")
    if chosen and not left:
        msg = (
            f"--except {' '.join(excluded)}: excludes every probe that was chosen; leave one of the names out"
        )
        raise UsageError(msg)
    return left


def own_probes(plugins: Plugins, files: Iterable[str]) -> list[Probe]:
    """Read the suite files that the user names; refuse one whose id another probe has."""
    found: dict[str, Probe] = {}
    for file in files:
        probe = plugins.read_suite(Path(file))
        if probe.id in plugins.probes or probe.id in found:
            msg = f"-s {file}: key 'id': another probe is called {probe.id!r}; choose another name"
            raise UsageError(msg)
        found[probe.id] = probe
    return list(found.values())


@plugin_call("preparing")
def collect(
    probe: Probe,
    context: ProbeContext,
    backend: Backend,
    plugins: Plugins,
    scorers: Scorers,
    *,
    limit: int | None,
    named: bool,
    elicited: bool = False,
) -> Collected:
    """Collect a probe's cases; raise `PluginCallError` where a call of the probe or a plugin fails.

    A probe without its data or scorer is skipped, and so is one of whose prompts a recording has none, unless the
    user asked for it by name.

    Of a probe that needs more than the target can do, or with `elicited`, the first elicited form is taken whose needs
    it meets.
    A target that samples as it likes is measured in another way than one that samples as it is asked; the method
    says so, and the two are never compared.
    """
    own, *others = forms_of(probe)
    forms = others if elicited and others else [own, *others]
    probe = next((form for form in forms if not lacking(form, backend.capabilities)), forms[0])
    own_sampling = "generate" in probe.needs and not backend.samples_as_asked
    method = {**method_of(probe, own, plugins), **(OWN_SAMPLING if own_sampling else {})}
    missing = lacking(probe, backend.capabilities)
    if missing:
        reason = f"needs {', '.join(missing)}, which this target cannot do"
        remedy = "; a local chat model does with -b chat=true" if "chat" in missing else ""
        return Collected(probe, method, skipped=reason + remedy)
    if probe.secret and not backend.verified:
        return Collected(probe, method, skipped=NOT_CONFIDED)
    absent = [] if named else [why for name in probe.scorers if (why := scorers.why_not(name))]
    if absent:
        return Collected(probe, method, skipped=absent[0])
    try:
        source = probe.source(context)
        drawn = None if limit is None else sample(_cases(probe, context), limit, context.seed)
        cases = _drawn(probe, context, drawn)
        first = list(islice(cases, 1))  # a probe looks for its data when its first case is wanted
    except (DataNotGivenError, NothingToAskError) as error:
        if named and isinstance(error, DataNotGivenError):
            raise
        return Collected(probe, method, skipped=str(error))
    if isinstance(backend, RecordedBackend) and not named:
        again = _drawn(probe, context, drawn)
        if not any(backend.holds(request) for case in again for request in case.requests):
            return Collected(probe, method, skipped="the recording has none of its prompts")
    stream = CaseStream(chain(first, cases))
    for plugin, change in plugins.implementing("gptaudit_cases_collected"):
        with plugin_call("gptaudit_cases_collected", plugin=plugin):
            change(probe=probe, cases=stream)
        stream.through(partial(_failing_in, call="gptaudit_cases_collected", plugin=plugin))
    less = drawn is not None and len(drawn.places) < drawn.cases
    return Collected(probe, method, stream, source, drawn_from=drawn.cases if drawn and less else None)


def method_of(form: Probe, probe: Probe, plugins: Plugins) -> dict[str, Any]:
    """Return how a form of a probe measures, with the options chosen and the hash of a file of the user's own."""
    plain = plain_form(probe)
    also = {"code": plugins.code(plain.id), "options": changed_options(plain)}
    return {**form.method(), **{name: value for name, value in also.items() if value}}


def _drawn(probe: Probe, context: ProbeContext, drawn: Sample | None) -> Iterator[Case]:
    """Yield the probe's cases, or those of a sample."""
    cases = _cases(probe, context)
    return cases if drawn is None else drawn.of(cases)


def _cases(probe: Probe, context: ProbeContext) -> Iterator[Case]:
    for case in _failing_in(iter(probe.cases(context)), "cases"):
        with plugin_call("cases"):
            require_askable(probe, case.requests)
        yield case


def _failing_in(cases: Iterator[Case], call: str, plugin: str = "") -> Iterator[Case]:
    """Yield the cases; what fails below, unless it is named already, is the fault of this call."""
    while True:
        with plugin_call(call, plugin=plugin):
            try:
                case = next(cases)
            except StopIteration:
                return
            if not isinstance(case, Case):
                msg = f"expected a Case, found {case!r}"
                raise TypeError(msg)
        yield case

"""The probes of a finished audit, found again by its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptaudit.errors import UsageError
from gptaudit.evidence.plan import digest
from gptaudit.plugins import Plugins
from gptaudit.probe import Probe, forms_of
from gptaudit.records import AuditResult, ProbeResult
from gptaudit.run.attacked import attacked
from gptaudit.run.probe_file import with_probe_files
from gptaudit.run.probe_options import with_options
from gptaudit.run.selection import OWN_SAMPLING, method_of, own_probes
from gptaudit.validation import nearest


def recorded_probes(
    result: AuditResult, plugins: Plugins, suites: Sequence[str] = (), files: Sequence[str] = ()
) -> list[Probe]:
    """Return the probes that were not skipped, each in the form that measured; raise `UsageError` for a missing one.

    `suites` are the audit's own suite files where they are now, and `files` those of its probes, which are run.
    """
    suites = suites or result.run.arguments.suites
    for suite in suites:
        if not Path(suite).is_file():
            msg = f"{suite}: no such file; the audit had a suite of its own there, name it with -s FILE.toml"
            raise UsageError(msg)
    with_probe_files(plugins, files)
    plain = [*plugins.probes.values(), *own_probes(plugins, suites)]
    plain = with_options(plain, (), result.run.arguments.probe_options)
    under = (form for probe in plain for form in attacked(plugins, probe, plugins.attacks))
    known = {probe.id: probe for probe in (*plain, *under)}
    return [_form(known, probe, plugins) for probe in result.probes if probe.status != "skipped"]


def _form(known: Mapping[str, Probe], measured: ProbeResult, plugins: Plugins) -> Probe:
    probe = known.get(measured.id)
    if probe is None:
        msg = f"{measured.id}: no plugin here has this probe.{nearest(measured.id, known)}"
        raise UsageError(
            f"{msg} Install the plugin that the audit ran with, or name its file with -p FILE.py or -s FILE.toml"
        )
    if probe.version != measured.version:
        msg = f"{measured.id}: version {measured.version} of this probe was run, and here is version {probe.version}"
        raise UsageError(f"{msg}; install the gptaudit or the plugin that the audit ran with")
    return next(
        (form for form in forms_of(probe) if _measures_as(form, probe, measured.method, plugins)), probe
    )


def _measures_as(form: Probe, probe: Probe, method: Mapping[str, Any], plugins: Plugins) -> bool:
    said = {key: value for key, value in method.items() if key != "scorers"}
    own = OWN_SAMPLING if OWN_SAMPLING.items() <= said.items() else {}
    try:
        return digest({**method_of(form, probe, plugins), **own}) == digest(said)
    except Exception:  # noqa: BLE001 - it fails again where the probe is prepared, and is recorded there
        return False

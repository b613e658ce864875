"""What can be calibrated: the probes that declare a flaw, and those that do under an attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptaudit.run.attacked import attacked

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.probe import Probe


def seeing(plugins: Plugins) -> dict[str, Probe]:
    """Return each probe that declares a flaw, by its id: `harmful-requests`, `harmful-requests+rot13`."""
    found: dict[str, Probe] = {}
    for probe in plugins.probes.values():
        attacks = (name for name, attack in plugins.attacks.items() if probe.id in attack.sees)
        found |= {form.id: form for form in (probe, *attacked(plugins, probe, attacks)) if form.sees}
    return found

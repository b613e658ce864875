"""Options of probes: `-P PROBE.OPTION=VALUE`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from gptaudit.errors import UsageError
from gptaudit.probe import Probe
from gptaudit.protocols.options import NoOptions, is_option, nested, option_names
from gptaudit.validation import nearest, validated

log = logging.getLogger("gptaudit")


def with_options(probes: Sequence[Probe], known: Iterable[Probe], given: Mapping[str, str]) -> list[Probe]:
    """Return the probes, each with the options that are given for it; `known` are all those that may be named.

    Raises:
        UsageError: there is no such probe or option, or it does not take the value.
    """
    by_id = {probe.id: probe for probe in (*known, *probes)}
    chosen: dict[str, dict[str, str]] = {}
    for key, value in given.items():
        probe, option = _split(key, by_id, f"-P {key}={value}")
        chosen.setdefault(probe, {})[option] = value
    configured = {name: _configured(by_id[name], of_probe) for name, of_probe in chosen.items()}
    if idle := configured.keys() - {probe.id for probe in probes}:
        log.warning("-P: options of probes that are not run have no effect: %s", ", ".join(sorted(idle)))
    return [configured.get(probe.id, probe) for probe in probes]


def changed_options(probe: Probe) -> dict[str, Any]:
    """Return the options of a probe that are not those it comes with, by name."""
    found = {field.name: getattr(probe.options, field.name) for field in fields(options_type(probe))}
    return {name: value for name, value in found.items() if value != getattr(probe.own_options, name)}


def options_type(probe: Probe) -> type[Any]:
    """Return the dataclass of a probe's options."""
    return NoOptions if probe.options is None else type(probe.options)


def _split(key: str, known: Mapping[str, Probe], where: str) -> tuple[str, str]:
    """Return the probe and the option that a key names; names of probes may have dots."""
    named = [name for name in known if key.startswith(f"{name}.")]
    if not named:
        name, _, option = key.partition(".")
        msg = (
            f"{where}: no such probe.{nearest(name, known)}"
            if option
            else f"{where}: expected PROBE.OPTION=VALUE"
        )
        raise UsageError(msg)
    name = max(named, key=len)
    option, kind = key.removeprefix(f"{name}."), options_type(known[name])
    if not is_option(option, kind):
        has = f"{nearest(option, option_names(kind))}" if option_names(kind) else " It has none."
        msg = f"{where}: the probe {name} has no option {option!r}.{has}"
        raise UsageError(msg)
    return name, option


def _configured(probe: Probe, given: Mapping[str, str]) -> Probe:
    kind = options_type(probe)
    own = {field.name: getattr(probe.options, field.name) for field in fields(kind)}
    where = f"-P, options of {probe.id}"
    return probe.with_options(validated(kind, {**own, **nested(given, kind)}, where=where, error=UsageError))

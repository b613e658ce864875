"""`gptaudit list`: list what is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, asdict, fields, is_dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from gptaudit.commands._say import say
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl
from gptaudit.probe import needs_in_words
from gptaudit.protocols.options import option_names

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.probe import Probe
    from gptaudit.records import ScorerCard

TAGS = "tags"
"""What a table has no room for."""
THINGS = (
    "suites",
    "probes",
    "attacks",
    "attributions",
    "backends",
    "scorers",
    "reporters",
    "engines",
    "plugins",
)


@click.command("list")
@click.argument("things", type=click.Choice(THINGS))
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.pass_obj
def list_(plugins: Plugins, things: str, name: str | None, *, as_json: bool) -> None:
    """List what is installed, and which plugin it comes from; of one thing, NAME, all that is known."""
    rows = _ROWS[things](plugins)
    if name is not None:
        rows = [_of_name(rows, things, name)]
    if as_json:
        say(json.dumps(rows, indent=1))
        return
    if name is not None:
        width = max(map(len, rows[0]))
        for key, value in rows[0].items():
            shown = "; ".join(chain(*value.values())) if key == TAGS else value
            say(f"{key.ljust(width)}  {'' if shown is None else shown}".rstrip())
        return
    rows = [
        {key: "" if value is None else value for key, value in row.items() if key != TAGS} for row in rows
    ]
    widths = [max(len(str(row[key])) for row in rows) for key in rows[0]] if rows else []
    for row in rows:
        cells = (str(value).ljust(width) for value, width in zip(row.values(), widths, strict=True))
        say("  ".join(cells).rstrip())


def _of_name(rows: list[dict[str, Any]], things: str, name: str) -> dict[str, Any]:
    from gptaudit.validation import nearest

    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        msg = f"{name}: no such {things[:-1]}.{nearest(name, [row['name'] for row in rows])}"
        raise UsageError(msg)
    return found


def _suites(plugins: Plugins) -> list[dict[str, Any]]:
    suites: dict[str, list[str]] = {}
    for probe in plugins.probes.values():
        suites.setdefault(probe.suite, []).append(probe.id)
    return [{"name": suite, "probes": ", ".join(ids)} for suite, ids in suites.items()]


def _probes(plugins: Plugins) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "suite": probe.suite,
            "version": probe.version,
            "needs": needs_in_words(probe),
            "data": probe.data_set or "built in",
            "calibrated on": _calibrated_on(probe),
            "options": _chosen(probe.options),
            "title": probe.title,
            "plugin": plugin,
            "tags": dict(probe.tags),
        }
        for name, (probe, plugin) in plugins.registered("probes").items()
    ]


def _attacks(plugins: Plugins) -> list[dict[str, Any]]:
    from gptaudit.run.attacked import tokens_added

    return [
        {
            "name": name,
            "turns": attack.turns,
            "requests": attack.turns * attack.draws,
            "tokens added": tokens_added(attack, plugin),
            "needs": ", ".join(sorted(attack.needs)),
            "title": attack.title,
            "paper": attack.paper or "none",
            "plugin": plugin,
            "tags": dict(attack.tags),
        }
        for name, (attack, plugin) in plugins.registered("attacks").items()
    ]


def _attributions(plugins: Plugins) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "needs": method.needs,
            "adds up": "yes" if method.complete else "no",
            "title": method.title,
            "paper": method.paper or "none",
            "plugin": plugin,
        }
        for name, (method, plugin) in plugins.registered("attributions").items()
    ]


def _calibrated_on(probe: Probe) -> str:
    """Return the flaws on which this version of the probe was calibrated."""
    from gptaudit.run.calibrated import probe_calibration

    known = probe_calibration(probe)
    flaws = dict.fromkeys(sighting.figure.flaw for sighting in known.sightings) if known else ()
    return ", ".join(flaws) or "nothing"


def _backends(plugins: Plugins) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "target": f"{name}:{backend.rest}",
            "title": backend.title,
            "options": _options(backend.options),
            "plugin": plugin,
        }
        for name, (backend, plugin) in plugins.registered("backends").items()
    ]


def _engines(plugins: Plugins) -> list[dict[str, Any]]:
    return [
        {"name": name, "title": engine.title, "options": _options(engine.options), "plugin": plugin}
        for name, (engine, plugin) in plugins.registered("engines").items()
    ]


def _options(options: type[Any]) -> str:
    names = zip(option_names(options), fields(options), strict=True)
    return ", ".join(f"{n}={'' if f.default is MISSING else f.default}" for n, f in names) or "none"


def _chosen(options: object) -> str:
    """Return the options of a probe with the values that they have unless others are chosen."""
    values = asdict(options) if is_dataclass(options) and not isinstance(options, type) else {}
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "none"


def _scorers(plugins: Plugins) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": scorer.title,
            "models": "; ".join(filter(None, [", ".join(scorer.models), scorer.other_models])),
            "options": _options(scorer.options) if scorer.options else "none",
            "errors": _errors(name),
            "plugin": plugin,
        }
        for name, (scorer, plugin) in plugins.registered("scorers").items()
    ]


def _errors(scorer: str) -> str:
    """Return how often the bundled model of a scorer is right, by decision and language."""
    from gptaudit.scorers.cards import shipped_cards

    cards = [card for card in shipped_cards() if card.scorer == scorer]
    return "; ".join(text for card in cards for text in _rates(card)) or "not known"


def _rates(card: ScorerCard) -> Iterator[str]:
    languages = dict.fromkeys(figures.language for d in card.decisions for figures in d.sets)
    for language in languages:
        for decision in card.in_language(language).decisions:
            rates = decision.error_rates()
            if rates is not None:
                what = f"{language}, {' or '.join(decision.labels)}"
                found = f"sensitivity {rates.sensitivity.value:.3f} ({rates.sensitivity_on})"
                yield f"{what}: {found}, specificity {rates.specificity.value:.3f} ({rates.specificity_on})"


def _titled(kind: str) -> Callable[[Plugins], list[dict[str, Any]]]:
    def rows(plugins: Plugins) -> list[dict[str, Any]]:
        found = plugins.registered(kind).items()
        return [{"name": name, "title": thing.title, "plugin": plugin} for name, (thing, plugin) in found]

    return rows


def _plugins(plugins: Plugins) -> list[dict[str, Any]]:
    return [{"name": info.name, "version": info.version, "origin": info.origin} for info in plugins.infos]


_ROWS: dict[str, Callable[[Plugins], list[dict[str, Any]]]] = {
    "suites": _suites,
    "probes": _probes,
    "attacks": _attacks,
    "attributions": _attributions,
    "backends": _backends,
    "scorers": _scorers,
    "reporters": _titled("reporters"),
    "engines": _engines,
    "plugins": _plugins,
}


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(list_)

"""Explanation of a suite that the user names, on an open model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.errors import UsageError
from gptaudit.probe import Probe, ProbeContext
from gptaudit.probes.kinds.pairs import PairsFile
from gptaudit.probes.kinds.registry import read_suite_file
from gptaudit.records import Case, Counterfactual
from gptaudit.run.sampling import sample
from gptaudit.run.selection import choose_probes
from gptaudit.validation import nearest

if TYPE_CHECKING:
    from gptaudit.attribution.explaining import Explainer
    from gptaudit.attribution.suites.explaining import Suite
    from gptaudit.plugins import Plugins

LIMIT = 100
"""Counterfactuals that are explained, unless the user asks for more."""
FACTS = 64
"""Counterfactuals of what is true and must stay."""
BESIDE = 20
"""Counterfactuals of an unrelated suite."""
UNRELATED = ("physical-appearance", "gender-trait", "socioeconomic-status-zh", "gender-trait-zh")
"""Probes that are scored beside a suite; the first of the same language and another axis."""


def suite_to_explain(
    plugins: Plugins, name: str, explainer: Explainer, *, data: Path | None, limit: int, seed: int
) -> Suite:
    """Return the counterfactuals of a suite with those of its controls.

    `name` is the id of a probe, a suite with one such probe, or a suite file.

    Raises `UsageError` for a suite that has none, by name, and for one with several, with their names.
    """
    from gptaudit.attribution.suites.explaining import Suite

    context = ProbeContext(data, seed)
    length = explainer.tokens

    def cases_of(probe: Probe) -> list[Counterfactual]:
        return list(probe.counterfactuals(context, length))

    probe, cases = _the_one(plugins, name, cases_of)
    axis = cases[0].axis
    known = plugins.probes
    others = (known[one] for one in UNRELATED if one in known and known[one].language == probe.language)
    other = next((one for one in others if cases_of(one)[0].axis != axis), None)
    facts = files("gptaudit.attribution.suites").joinpath("facts", f"{axis}-{probe.language}.toml")
    control, _ = read_suite_file(facts) if facts.is_file() else (None, None)
    return Suite(
        probe=probe.id,
        title=probe.title,
        drawn=draw(cases, limit, seed),
        cases=len(cases),
        facts=draw(list(control.counterfactuals(length)), FACTS, seed)
        if isinstance(control, PairsFile)
        else (),
        unrelated=draw(cases_of(other), BESIDE, seed) if other else (),
        unrelated_suite=other.title if other else "",
    )


def draw(cases: Sequence[Counterfactual], limit: int, seed: int) -> list[Counterfactual]:
    """Return at most so many of the cases, from as many clusters as there may be.

    Of each cluster as many are drawn as fit, in turns: the first of the first cluster, the second of the second, and so
    on, so that every template has its part. If there are more clusters than that, they are a sample as in `run`.
    """
    clusters: dict[str, list[Counterfactual]] = {}
    for case in cases:
        clusters.setdefault(case.cluster, []).append(case)
    each = max(1, limit // len(clusters))
    turned = []
    for number, of_cluster in enumerate(clusters.values()):
        start = number * each % len(of_cluster)
        turned += (of_cluster[start:] + of_cluster[:start])[:each]
    drawn = sample((Case(case.id, case.cluster, ()) for case in turned), limit, seed)
    return [case for place, case in enumerate(turned) if place in drawn.places]


def _the_one(
    plugins: Plugins, name: str, cases_of: Callable[[Probe], list[Counterfactual]]
) -> tuple[Probe, list[Counterfactual]]:
    """Return the probe of a name with its counterfactuals."""
    if name in plugins.probes:
        probes = [plugins.probes[name]]
    else:
        try:
            probes = choose_probes(plugins, [name], [])
        except UsageError:
            known = [probe.id for probe in plugins.probes.values() if explainable(probe)]
            msg = f"-s {name}: no such suite.{nearest(name, known)}"
            raise UsageError(msg) from None
    able = [probe for probe in probes if explainable(probe)]
    if len(able) > 1:
        msg = (
            f"-s {name}: expected one suite, found {', '.join(probe.id for probe in able)}; give one of them"
        )
        raise UsageError(msg)
    cases = cases_of(able[0]) if able else []
    if not cases:
        msg = (
            f"-s {name}: it has no counterfactual, a prompt whose counterpart differs in the group alone, so there is "
            "nothing to compare; `gptaudit list probes` names other suites of pairs, such as gender-occupation"
        )
        raise UsageError(msg)
    return able[0], cases


def explainable(probe: Probe) -> bool:
    """Return whether a probe says which prompts have a counterpart."""
    return type(probe).counterfactuals is not Probe.counterfactuals

"""Which probe a suite file becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gptaudit.probe import Probe
from gptaudit.records import DataSource
from gptaudit.suite import (
    AssociationSuite,
    ChoiceSuite,
    ContinuationsSuite,
    CounterfactualSuite,
    DecisionSuite,
    PairsSuite,
    Suite,
)

from .association import AssociationProbe
from .choice import ChoiceProbe
from .continuations import ContinuationsProbe
from .counterfactual import CounterfactualProbe
from .decision import DecisionProbe
from .pairs import PairsProbe

_PROBES: dict[type[Suite], Callable[[Any, DataSource], Probe]] = {
    PairsSuite: PairsProbe,
    ChoiceSuite: ChoiceProbe,
    DecisionSuite: DecisionProbe,
    AssociationSuite: AssociationProbe,
    ContinuationsSuite: ContinuationsProbe,
    CounterfactualSuite: CounterfactualProbe,
}


def suite_probe(suite: Suite, source: DataSource) -> Probe:
    """Make the probe of a suite, whatever its kind."""
    return _PROBES[type(suite)](suite, source)

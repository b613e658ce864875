"""The built-in probes, registered through the same hook as anyone's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

from gptaudit.hookspecs import hookimpl

if TYPE_CHECKING:
    from gptaudit.probe import Probe


@hookimpl
def gptaudit_register_probes(register: Callable[[Probe], None]) -> None:
    """Register one probe for each suite file, and those that are more than data."""
    from gptaudit.suite import PairsSuite, load_suite

    from .bbq import Bbq
    from .continuations import ContinuationsProbe
    from .crows_pairs import CrowsPairs
    from .pairs import PairsProbe
    from .real_toxicity_prompts import RealToxicityPrompts
    from .stereoset import StereoSet
    from .token_attribution import TokenAttribution
    from .winobias import WinoBias
    from .winogender import Winogender

    folder = files(__name__) / "suites"
    for name in sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml")):
        suite, source = load_suite(folder / name)
        if not isinstance(suite, PairsSuite):
            register(ContinuationsProbe(suite, source))
            continue
        register(PairsProbe(suite, source))
        if suite.id == "gender-occupation":
            register(TokenAttribution(suite, source))
    register(CrowsPairs())
    register(Bbq())
    register(StereoSet())
    register(WinoBias())
    register(Winogender())
    register(RealToxicityPrompts())

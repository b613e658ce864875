"""Built-in probes and attacks, registered through the same hooks as those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from gptaudit.probe import Probe
    from gptaudit.protocols.attack import Attack


@hookimpl(trylast=True)
def gptaudit_read_suite(file: Path) -> Probe:
    """Return the probe of a suite file."""
    from gptaudit.probes.kinds.registry import probe_of_suite

    return probe_of_suite(file)


@hookimpl
def gptaudit_register_attacks(register: Callable[[Attack], None]) -> None:
    """Register the built-in attacks."""
    from .attacks import built_in_attacks

    for attack in built_in_attacks():
        register(attack)


@hookimpl
def gptaudit_register_probes(register: Callable[[Probe], None]) -> None:
    """Register one probe per built-in suite file, and the probes that are classes."""
    from gptaudit.probes.kinds.pairs import PairsFile
    from gptaudit.probes.kinds.registry import built_in_suites, suite_probe

    from .bbq import Bbq
    from .bold import Bold, BoldRegard
    from .canaries import CanaryExtraction
    from .cbbq import Cbbq
    from .chbias import ChBias
    from .crows_pairs import CrowsPairs
    from .cyberseceval import CyberSecEvalInjection
    from .holisticbias import HolisticBias, HolisticBiasGeneration
    from .honest import LANGUAGES, Honest
    from .jailbreakbench import JailbreakBench
    from .real_toxicity_prompts import RealToxicityPrompts
    from .request_sets import SETS, RequestSetProbe
    from .requests_refused import HarmfulRequests, HarmlessRequests
    from .stereoset import StereoSet
    from .token_attribution import TokenAttribution
    from .truthfulqa import TruthfulQA
    from .winobias import WinoBias
    from .winogender import Winogender
    from .xstest import XSTest

    for suite, source in built_in_suites():
        register(suite_probe(suite, source))
        if isinstance(suite, PairsFile) and suite.id == "gender-occupation":
            register(TokenAttribution(suite, source))
    register(CrowsPairs())
    register(Bbq())
    register(Bold())
    register(BoldRegard())
    register(Cbbq())
    register(ChBias())
    register(StereoSet())
    register(WinoBias())
    register(Winogender())
    register(RealToxicityPrompts())
    register(HolisticBias())
    register(HolisticBiasGeneration())
    for language in LANGUAGES:
        register(Honest(language))
    register(CanaryExtraction())
    register(HarmfulRequests())
    register(HarmlessRequests())
    for requests in SETS:
        register(RequestSetProbe(requests))
    register(JailbreakBench())
    register(XSTest())
    register(TruthfulQA())
    register(CyberSecEvalInjection())

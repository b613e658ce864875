"""Built-in probes and attacks, registered through the same hooks as those of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """Register the built-in probes, each with its tags."""
    from .tags import tags_of

    for probe in _built_in_probes():
        probe.tags = tags_of(probe.id, probe.suite)
        register(probe)


def _built_in_probes() -> Iterator[Probe]:
    """Yield one probe per built-in suite file, and the probes that are classes."""
    from gptaudit.probes.kinds.registry import built_in_suites, suite_probe

    from .bbq import Bbq
    from .bold import Bold, BoldRegard
    from .canaries import CanaryExtraction
    from .cbbq import Cbbq
    from .chbias import ChBias
    from .crows_pairs import CrowsPairs
    from .cyberseceval import CyberSecEvalInjection
    from .harmbench import HarmBench
    from .holisticbias import HolisticBias, HolisticBiasGeneration
    from .honest import LANGUAGES, Honest
    from .jailbreakbench import JailbreakBench
    from .real_toxicity_prompts import RealToxicityPrompts
    from .request_sets import SETS, RequestSetProbe
    from .requests_refused import HarmfulRequests, HarmlessRequests
    from .secret_exposure import SecretExposure
    from .secret_extraction import SecretExtraction
    from .secret_membership import SecretMembership
    from .stereoset import StereoSet
    from .truthfulqa import TruthfulQA
    from .winobias import WinoBias
    from .winogender import Winogender
    from .xstest import XSTest

    for suite, source in built_in_suites():
        yield suite_probe(suite, source)
    yield CrowsPairs()
    yield Bbq()
    yield Bold()
    yield BoldRegard()
    yield Cbbq()
    yield ChBias()
    yield StereoSet()
    yield WinoBias()
    yield Winogender()
    yield RealToxicityPrompts()
    yield HolisticBias()
    yield HolisticBiasGeneration()
    for language in LANGUAGES:
        yield Honest(language)
    yield CanaryExtraction()
    yield HarmfulRequests()
    yield HarmlessRequests()
    for requests in SETS:
        yield RequestSetProbe(requests)
    yield HarmBench()
    yield JailbreakBench()
    yield XSTest()
    yield TruthfulQA()
    yield CyberSecEvalInjection()
    yield SecretExtraction()
    yield SecretExposure()
    yield SecretMembership()

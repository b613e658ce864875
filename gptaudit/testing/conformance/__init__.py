"""
What every plugin has to keep to, as checks for its own tests.

    from gptaudit.testing.conformance import check_probe

    def test_conformance():
        check_probe(MyProbe())

A check raises `AssertionError`, which says where, what was expected and what came. It asks no model but a backend under
test: answers are made up, of hostile texts too. hypothesis makes up some texts and shows the shortest that fails; it
comes with `pip install 'gptaudit[testing]'`.
"""

from __future__ import annotations

from gptaudit.testing.conformance.attacks import check_attack
from gptaudit.testing.conformance.attributions import check_attribution
from gptaudit.testing.conformance.backends import check_backend
from gptaudit.testing.conformance.engines import check_engine
from gptaudit.testing.conformance.flaws import check_flaw
from gptaudit.testing.conformance.probes import check_probe
from gptaudit.testing.conformance.reporters import check_reporter
from gptaudit.testing.conformance.scorers import check_scorer

__all__ = [
    "check_attack",
    "check_attribution",
    "check_backend",
    "check_engine",
    "check_flaw",
    "check_probe",
    "check_reporter",
    "check_scorer",
]

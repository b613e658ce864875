"""Tags: the entries of public lists of risks that probes are about, in the listing, the results and under attack."""

from __future__ import annotations

import json
import re

from gptaudit.probes.tags import ATLAS, ENTRIES, NIST, OWASP, tags_of

from gptaudit.plugins import load_plugins
from gptaudit.probe import forms_of
from gptaudit.run.attacked import attacked
from gptaudit.testing import ScriptedBackend, run_probe

PLUGINS = load_plugins()
PROBES = PLUGINS.probes
WITHOUT = {"harmless-requests", "token-attribution"}
"""Probes of which no list has a risk: refusing too much, and the reason behind a figure."""


def test_every_probe_that_a_list_knows_has_tags():
    """No built-in probe was forgotten, and no entry is of a probe that is gone."""
    from gptaudit.probes.tags import _OF

    assert {name for name, (probe, _) in PLUGINS.registered("probes").items() if not probe.tags} == WITHOUT
    assert set(_OF) <= set(PROBES)


def test_each_key_is_of_one_list():
    """So that a key names one entry; and every key that a probe has is known."""
    from gptaudit.probes.tags import _OF

    keys = [key for entries in ENTRIES.values() for key in entries]

    assert len(set(keys)) == len(keys)
    assert {key for about in _OF.values() for key in about.split()} <= set(keys)


def test_entries_have_the_form_of_their_list():
    """Ids as the lists write them."""
    assert all(re.fullmatch(r"LLM(0\d|10):2025 .+", entry) for entry in ENTRIES[OWASP].values())
    assert all(re.fullmatch(r"AML\.T\d{4}(\.\d{3})? .+", entry) for entry in ENTRIES[ATLAS].values())
    assert all(re.fullmatch(r"2\.([1-9]|1[0-2]) .+", entry) for entry in ENTRIES[NIST].values())


def test_the_leak_of_a_system_message():
    """Is an entry of its own in two lists."""
    found = tags_of("system-prompt", "safety")

    assert found[OWASP] == ("LLM01:2025 Prompt Injection", "LLM07:2025 System Prompt Leakage")
    assert "AML.T0056 Extract LLM System Prompt" in found[ATLAS]


def test_they_stand_in_the_results_of_every_form():
    """An elicited form is about the same, and an attack is a jailbreak beside."""
    written = ScriptedBackend(complete=lambda prompt, sample: "A", chat=True)
    under = next(attacked(PLUGINS, PROBES["behaviours"], ["base64"]))

    assert run_probe(PROBES["sycophancy"], written, limit=6).tags == PROBES["sycophancy"].tags
    assert {len(form.tags) for form in forms_of(PROBES["sycophancy"])} == {2}
    assert under.tags[ATLAS] == ("AML.T0054 LLM Jailbreak",)
    assert under.tags[NIST] == PROBES["behaviours"].tags[NIST]


def test_the_listing(gptaudit):
    """JSON has them."""
    rows = json.loads(gptaudit("list", "probes", "--json").out)

    assert next(row for row in rows if row["name"] == "prompt-injection")["tags"][OWASP] == [
        "LLM01:2025 Prompt Injection"
    ]

"""What the built-in probes are about, in the words of public lists of risks: what is looked at, and no grade.

OWASP Top 10 for LLM Applications, edition 2025; MITRE ATLAS, data 5.6.0 of May 2026; NIST AI 600-1 of July 2024,
section 2; MLCommons AILuminate, hazards of version 1.0. A probe looks at a part of what an entry means, and some
entries, such as supply chains, no probe of a model alone can look at.
"""

from __future__ import annotations

from collections.abc import Mapping

OWASP, ATLAS = "OWASP LLM Top 10 2025", "MITRE ATLAS 5.6.0"
NIST, AILUMINATE = "NIST AI 600-1 2024-07", "MLCommons AILuminate 1.0"

ENTRIES: Mapping[str, Mapping[str, str]] = {
    OWASP: {
        "LLM01": "LLM01:2025 Prompt Injection",
        "LLM02": "LLM02:2025 Sensitive Information Disclosure",
        "LLM04": "LLM04:2025 Data and Model Poisoning",
        "LLM07": "LLM07:2025 System Prompt Leakage",
        "LLM09": "LLM09:2025 Misinformation",
    },
    ATLAS: {
        "T0018": "AML.T0018 Manipulate AI Model",
        "T0051": "AML.T0051 LLM Prompt Injection",
        "T0051.000": "AML.T0051.000 LLM Prompt Injection: Direct",
        "T0051.001": "AML.T0051.001 LLM Prompt Injection: Indirect",
        "T0054": "AML.T0054 LLM Jailbreak",
        "T0056": "AML.T0056 Extract LLM System Prompt",
        "T0057": "AML.T0057 LLM Data Leakage",
    },
    NIST: {
        "cbrn": "2.1 CBRN Information or Capabilities",
        "confabulation": "2.2 Confabulation",
        "dangerous": "2.3 Dangerous, Violent, or Hateful Content",
        "privacy": "2.4 Data Privacy",
        "bias": "2.6 Harmful Bias and Homogenization",
        "configuration": "2.7 Human-AI Configuration",
        "integrity": "2.8 Information Integrity",
        "security": "2.9 Information Security",
        "abusive": "2.11 Obscene, Degrading, and/or Abusive Content",
    },
    AILUMINATE: {
        "vcr": "vcr Violent Crimes",
        "ncr": "ncr Non-Violent Crimes",
        "iwp": "iwp Indiscriminate Weapons (CBRNE)",
        "ssh": "ssh Suicide & Self-Harm",
        "prv": "prv Privacy",
        "hte": "hte Hate",
        "spc": "spc Specialized Advice",
    },
}
"""List with its edition -> key used below -> entry as the list names it."""

_BIAS = "bias"
_TOXIC = "dangerous abusive hte"
_BEHAVIOURS = "dangerous integrity security privacy vcr ncr iwp ssh prv hte spc"
_REQUESTS = "dangerous"
_OF: Mapping[str, str] = {
    "behaviours": _BEHAVIOURS,
    "consistency": _BEHAVIOURS,
    "harmful-requests": "dangerous ncr",
    "advbench": _REQUESTS,
    "harmbench": _REQUESTS,
    "jailbreakbench": _REQUESTS,
    "strongreject": _REQUESTS,
    "simple-safety-tests": _REQUESTS,
    "harmfulqa": _REQUESTS,
    "catqa": _REQUESTS,
    "xstest": _REQUESTS,
    "system-prompt": "LLM07 LLM01 T0056 T0051.000 security",
    "prompt-injection": "LLM01 T0051.001 security",
    "cyberseceval-prompt-injection": "LLM01 T0051 security",
    "sycophancy": "LLM09 confabulation configuration",
    "truthfulqa": "LLM09 confabulation integrity",
    "safety-by-group": "bias dangerous hte",
    **dict.fromkeys(
        ("canary-extraction", "secret-extraction", "secret-exposure", "secret-membership", "pii-in-samples"),
        "LLM02 T0057 privacy prv",
    ),
    "trigger-phrases": "LLM04 T0018 security",
    "toxicity-prompts": _TOXIC,
    "counterfactual-toxicity": f"{_TOXIC} bias",
    "realtoxicityprompts": _TOXIC,
    "bold": f"{_TOXIC} bias",
    **dict.fromkeys(
        ("honest", "honest-es", "honest-fr", "honest-it", "honest-pt", "honest-ro"), f"{_TOXIC} bias"
    ),
}
"""Probe -> keys of its entries. A probe of the suites of bias has the entry of bias, and a Chinese one those of its
English one, without standing here."""


_ATTACKS = "LLM01 T0054"
"""What every attack is: OWASP counts jailbreaking among prompt injections."""


def tags_of(probe: str, suite: str) -> dict[str, tuple[str, ...]]:
    """Return list with edition -> its entries that a built-in probe is about; empty where no list has any."""
    return _entries(_OF.get(probe.removesuffix("-zh"), _BIAS if suite.partition("-")[0] == "bias" else ""))


def tags_of_attacks() -> dict[str, tuple[str, ...]]:
    """Return list with edition -> its entries that a built-in attack is about."""
    return _entries(_ATTACKS)


def _entries(about: str) -> dict[str, tuple[str, ...]]:
    keys = about.split()
    found = {
        name: tuple(entry for key, entry in entries.items() if key in keys)
        for name, entries in ENTRIES.items()
    }
    return {name: entries for name, entries in found.items() if entries}

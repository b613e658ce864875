"""The probes that a run chooses by name: `-s`, `-p` and `--except`."""

from __future__ import annotations

import pytest

from gptaudit.errors import UsageError
from gptaudit.plugins import load_plugins
from gptaudit.run.selection import choose_probes


@pytest.fixture(scope="module")
def plugins():
    return load_plugins()


def test_excluded_names_are_probes_and_suites(plugins):
    """What is left is all but the probe and the probes of the suite, in the same order."""
    chosen = choose_probes(plugins, [], [])
    left = choose_probes(plugins, [], [], ["crows-pairs", "toxicity"])

    assert left == [p for p in chosen if p.id != "crows-pairs" and p.suite != "toxicity"]
    assert {p.id for p in chosen} - {p.id for p in left} > {"crows-pairs"}


@pytest.mark.parametrize(
    ("excluded", "message"),
    [
        (["crow-pairs"], "--except crow-pairs: no such probe or suite. Did you mean 'crows-pairs'"),
        (["bbq", "bias"], "--except bbq bias: excludes every probe that was chosen"),
    ],
)
def test_excluding_an_unknown_name_or_everything_is_refused(plugins, excluded, message):
    with pytest.raises(UsageError, match=message):
        choose_probes(plugins, [], ["bbq"], excluded)

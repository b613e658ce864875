"""Association and default of pairs in both directions, against what was planted in the log-likelihoods."""

from __future__ import annotations

import pytest
from gptaudit.probes.kinds.matched_pairs import opposed
from gptaudit.probes.kinds.registry import read_suite_file, suite_probe

from gptaudit.plugins import load_plugins
from gptaudit.testing import ScriptedBackend, run_probe

SUITE = """
schema = "gptaudit.suite/1"
id = "mine"
version = "1"
suite = "bias"
kind = "pairs"
axis = "age"
language = "en"
title = "Mine"
goal = "Whether."
source = "Mine."
licence = "MIT"
templates = [
    %s
]
[groups.old]
person = "old man"
[groups.young]
person = "young man"
"""

TEMPLATE = '{{ id = "{0}", group = "{1}", block = "{2}", text = "{0} the {{person}}." }},'

OCCUPATIONS = """
schema = "gptaudit.suite/1"
id = "mine"
version = "1"
suite = "bias"
kind = "pairs"
axis = "gender"
language = "en"
title = "Mine"
goal = "Whether."
source = "Mine."
licence = "MIT"
templates = [{ id = "late", text = "The {term} said {subject} was late." }]
[groups.male]
subject = "he"
[groups.female]
subject = "she"
[terms]
male = ["carpenter", "coach"]
female = ["nurse", "tutor", "dancer"]
[shares]
carpenter = 0.97
coach = 0.53
nurse = 0.9
tutor = 0.7
"""


def whole(result):
    return {m.name: m for m in result.metrics if not m.slice}


def planted(probe, association, default):
    """A model in which a stereotype adds half the association, and the words of the first group add the default."""
    order = list(probe._file.groups)
    scores = {}
    for pair in probe._file.pairs():
        first = order.index(pair.stereotyped_group) < order.index(pair.contrast_group)
        scores[pair.stereotype] = association / 2 + (default if first else 0.0)
        scores[pair.antistereotype] = 0.0 if first else default
    return ScriptedBackend(score=lambda _, text: scores[text] - 50)


@pytest.mark.parametrize("name", ["gender-occupation", "religion", "gender-age", "names-hiring", "region-zh"])
@pytest.mark.parametrize(("association", "default"), [(1.5, 3.0), (-0.4, -2.0), (0.8, 0.1)])
def test_what_was_planted_is_found(name, association, default):
    """Both figures are those planted; the rate shows the association only where it is the larger one."""
    probe = load_plugins().probes[name]

    found = whole(run_probe(probe, planted(probe, association, default)))

    assert found["association"].value == pytest.approx(association)
    assert found["default"].value == pytest.approx(default)
    assert found["association_auroc"].value == (1.0 if association > 0 else 0.0)
    hidden = abs(default) > abs(association) / 2
    assert found["stereotype_rate"].value == (0.5 if hidden else 1.0)
    assert next(iter(found)) == "association"


@pytest.mark.parametrize(
    ("templates", "matched"),
    [
        ((("a", "old", "1"), ("b", "young", "1")), True),
        ((("a", "old", ""), ("b", "young", ""), ("c", "young", "")), True),
        ((("a", "old", ""), ("b", "old", "")), False),
    ],
)
def test_without_both_directions_there_is_no_association(tmp_path, templates, matched):
    """A suite file whose stereotypes are all of one group has the rate alone, and its method says why."""
    keys = (TEMPLATE.format(*template) for template in templates)
    file = tmp_path / "mine.toml"
    file.write_text(SUITE % "\n    ".join(keys).replace(', block = ""', ""), "utf-8")
    probe = suite_probe(*read_suite_file(file))

    assert ("association" in [spec.name for spec in probe.metrics]) == matched
    assert probe.method()["association"].startswith("none") != matched
    assert (
        "association" in whole(run_probe(probe, ScriptedBackend(score=lambda _, text: -len(text))))
    ) == matched


def test_directions_match_by_their_proportions():
    """Each contrast takes part in both directions alike, whatever the number of pairs."""
    one, back, other = ("a", "b"), ("b", "a"), ("a", "c")

    assert opposed([one, back])
    assert opposed([one, one, back])
    assert opposed([one, one, other, other, back, ("c", "a")])
    assert not opposed([one, one, other, back, ("c", "a")])
    assert not opposed([one, other])
    assert not opposed([])


def test_terms_weigh_by_the_share_of_their_group(tmp_path):
    """A carpenter (0.97 men) counts more than a coach (0.53), and a term without a share not at all."""
    leads = {"carpenter": 2.0, "coach": 0.5, "dancer": 9.0, "nurse": 1.0, "tutor": -1.0}
    file = tmp_path / "mine.toml"
    file.write_text(OCCUPATIONS, "utf-8")
    probe = suite_probe(*read_suite_file(file))
    scores = {}
    for pair in probe._file.pairs():
        scores[pair.stereotype], scores[pair.antistereotype] = leads[pair.term] - 20, -20.0

    found = whole(run_probe(probe, ScriptedBackend(score=lambda _, text: scores[text])))

    first = (0.94 * 2.0 + 0.06 * 0.5) / 1.0
    second = (0.8 * 1.0 - 0.4 * 1.0) / 1.2
    assert found["association"].value == pytest.approx(first + second)
    assert found["default"].value == pytest.approx((first - second) / 2)
    assert found["stereotype_rate"].value == 0.8

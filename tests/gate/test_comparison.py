"""Comparison of two audits finds planted changes, and no others."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from gate_builders import RATE, a_probe, a_result, measured_audit
from statsmodels.stats.proportion import proportion_effectsize

from gptaudit.errors import DataError
from gptaudit.files import to_json
from gptaudit.gate.comparison import compare
from gptaudit.gate.pairing import Audit
from gptaudit.records import Evidence, Exchange, Measurement, MetricSpec, RatioSpec
from gptaudit.run.metrics import summarise
from gptaudit.stats.paired import mcnemar, sign_flips

WAS = [0, 1] * 100
GROUPS = ["a", "b"] * 100


def of_values(spec, values, **other):
    """Return an audit of one probe with a metric of any kind."""
    measurements = tuple(Measurement(str(i), str(i), {}, {spec.name: float(v)}) for i, v in enumerate(values))
    metrics = summarise([spec], measurements, level=0.95, seed=1)
    return Audit(
        a_result(a_probe(*metrics, cases=len(values), scored=len(values), **other)), {"probe": measurements}
    )


def change(baseline, candidate, name="probe.rate"):
    return next(c for p in compare(baseline, candidate).probes for c in p.changes if c.metric == name)


def test_a_planted_change_is_found_where_it_is():
    """If one group became worse, its slice and the whole figure do too, and the other slice does not."""
    now = [1 if g == "a" and i < 60 else v for i, (v, g) in enumerate(zip(WAS, GROUPS, strict=True))]
    found = compare(measured_audit(WAS, groups=GROUPS), measured_audit(now, groups=GROUPS))

    readings = {c.metric: c.reading for c in found.probes[0].changes}
    assert readings == {
        "probe.rate": "worse",
        "probe.rate[group=a]": "worse",
        "probe.rate[group=b]": "not shown",
    }
    whole = found.probes[0].changes[0]
    assert (whole.baseline, whole.candidate, whole.difference) == pytest.approx((0.5, 0.65, 0.15))
    assert (whole.rose, whole.fell, whole.test) == (30, 0, "mcnemar")
    assert whole.low < 0.15 < whole.high
    assert whole.p_value == mcnemar(now, WAS)
    assert (whole.effect, whole.effect_size) == ("cohens-h", pytest.approx(proportion_effectsize(0.65, 0.5)))


def test_scores_within_bounds_are_no_proportions():
    """Scores from 0 to 1 have a proportion's interval, but neither McNemar's test nor Cohen's h."""
    spec = MetricSpec("score", 0.0, "lower", "fraction", bounds=(0.0, 1.0))
    was = np.random.default_rng(1).beta(2, 5, 60)
    old, new = (of_values(spec, values) for values in (was, was + 0.1 * (1 - was)))
    found = change(old, new, "probe.score")

    now = was + 0.1 * (1 - was)
    assert (found.test, found.effect) == ("sign-flips", "cohens-d")
    assert found.effect_size == pytest.approx(
        (now - was).mean() / np.sqrt((now.var(ddof=1) + was.var(ddof=1)) / 2)
    )
    assert 0 < found.low < found.difference < found.high


def test_the_same_audit_twice_shows_nothing():
    """No case changed, so no figure did."""
    audit = measured_audit(WAS, groups=GROUPS)
    found = compare(audit, audit)

    assert {c.reading for c in found.probes[0].changes} == {"not shown"}
    assert {c.adjusted for c in found.probes[0].changes} == {1.0}
    assert found.probes[0].cases == ()


def test_clusters_are_flipped_whole():
    """Forty cases that changed in two clusters count as two changes, not forty."""
    clusters = [i // 20 for i in range(200)]
    now = [1 if c < 2 else v for c, v in zip(clusters, WAS, strict=True)]
    found = change(measured_audit(WAS, clusters=clusters), measured_audit(now, clusters=clusters))

    differences = [a - b for a, b in zip(now, WAS, strict=True)]
    assert (found.test, found.clusters) == ("sign-flips", 10)
    assert found.p_value == sign_flips(differences, [str(c) for c in clusters], seed=1)
    assert found.reading == "not shown"


@pytest.mark.parametrize(
    ("direction", "ideal", "now", "reading"),
    [
        ("lower", 0.0, 0.6, "worse"),
        ("lower", 0.0, 0.1, "better"),
        ("higher", 1.0, 0.6, "better"),
        ("higher", 1.0, 0.1, "worse"),
        ("target", 0.5, 0.45, "better"),
        ("target", 0.5, 0.1, "worse"),
        ("target", 0.3, 0.05, "better"),
        ("target", 0.35, 0.2, "better"),
        ("target", 0.35, 0.4, "crossed"),
        ("target", 0.35, 0.8, "worse"),
    ],
)
def test_better_is_nearer_to_the_ideal(direction, ideal, now, reading):
    """A figure is better if it is nearer to its ideal; as far beyond it, it is neither better nor worse."""
    spec = MetricSpec("rate", ideal=ideal, direction=direction, unit="fraction", bounds=(0.0, 1.0))
    start = 0.3 if reading == "crossed" or direction != "target" else 0.2 if now > 0.2 else 0.25
    start = 0.0 if (ideal, now) in {(0.3, 0.05), (0.35, 0.2)} else start
    noise = [((i * 37) % 11 - 5) / 1000 for i in range(200)]
    old = of_values(spec, [max(0.0, start + e) for e in noise])
    new = of_values(spec, [now + e / 2 for e in noise])

    assert change(old, new).reading == reading


@pytest.mark.slow
def test_many_figures_raise_few_false_alarms():
    """Of a hundred figures, the one that changed is found, and almost none of the others."""
    specs = [MetricSpec(f"m{i}", 0.0, "lower", "score") for i in range(100)]
    values = [{s.name: float((i * 7 + k * 13) % 29) for k, s in enumerate(specs)} for i in range(120)]
    shift = {"m5": 4.0}
    moved = [
        {n: v + shift.get(n, ((i * 31 + k * 17) % 23 - 11) / 5) for k, (n, v) in enumerate(row.items())}
        for i, row in enumerate(values)
    ]
    audits = []
    for rows in (values, moved):
        measurements = tuple(Measurement(str(i), str(i), {}, row) for i, row in enumerate(rows))
        metrics = summarise(specs, measurements, level=0.95, seed=1)
        audits.append(Audit(a_result(a_probe(*metrics)), {"probe": measurements}))

    found = {c.metric: c.reading for c in compare(*audits).probes[0].changes}
    assert found.pop("probe.m5") == "worse"
    assert list(found.values()).count("not shown") >= 96


def test_a_figure_from_totals_is_compared_too():
    """A planted rise of a ratio shows in the difference, its interval and its test."""
    spec = RatioSpec("share", 0.0, "lower", "fraction", formula="right / asked", bounds=(0.0, 1.0))

    def audit(right):
        rows = [{"right": float(i % 10 < right and i % 3 > 0), "asked": float(i % 3 > 0)} for i in range(300)]
        measurements = tuple(Measurement(str(i), str(i // 3), {}, row) for i, row in enumerate(rows))
        return Audit(
            a_result(a_probe(*summarise([spec], measurements, level=0.95, seed=1))), {"probe": measurements}
        )

    found = change(audit(2), audit(5), "probe.share")
    assert (found.baseline, found.candidate) == pytest.approx((0.2, 0.5))
    assert found.low < 0.3 < found.high
    assert (found.test, found.reading, found.rose) == ("exchanges", "worse", None)
    assert change(audit(2), audit(2), "probe.share").reading == "not shown"


def test_what_cannot_be_compared_is_said():
    """A probe of another version, with other cases, skipped or missing has a reason; the rest is compared."""
    both = measured_audit(WAS)
    for other, why in (
        (measured_audit(WAS, version="2"), "probe version differ"),
        (measured_audit(WAS[1:]), "cases differ"),
        (measured_audit(WAS, status="skipped", reason="needs score"), "not scored: needs score"),
        (Audit(a_result()), "not in the baseline"),
    ):
        with pytest.raises(DataError, match=why):
            compare(other, both)
    more = replace(both.result, probes=(*both.result.probes, a_probe(id="other")))
    found = compare(both, Audit(more, both.measurements))
    assert [bool(p.changes) for p in found.probes] == [True, False]


def test_the_cases_that_changed_most_are_shown():
    """Each case has its evidence in both audits; of many equal changes only a few are shown."""
    now = [1 - v if i < 30 else v for i, v in enumerate(WAS)]
    audits = [measured_audit(values) for values in (WAS, now)]
    said = [
        Audit(
            audit.result,
            {
                "probe": [
                    replace(m, evidence=Evidence((Exchange(name, m.case),)))
                    for m in audit.measurements["probe"]
                ]
            },
        )
        for name, audit in zip(("old", "new"), audits, strict=True)
    ]
    cases = compare(*said).probes[0].cases

    assert len(cases) == 6
    for case in cases:
        assert int(case.case.removeprefix("case")) < 30
        assert abs(case.candidate - case.baseline) == 1
        assert case.baseline_evidence.exchanges == (Exchange("old", case.case),)
        assert case.candidate_evidence.exchanges == (Exchange("new", case.case),)


def test_it_is_json_with_a_schema():
    """The file is JSON, and its schema is the first key."""
    found = json.loads(to_json(compare(measured_audit(WAS), measured_audit(WAS[::-1]))))

    assert next(iter(found.items())) == ("schema", "gptaudit.comparison/1")
    assert found["probes"][0]["changes"][0]["metric"] == f"probe.{RATE.name}"


def test_the_command(gptaudit, tmp_path):
    """Comparing two audits writes a page and JSON; mistakes of the user exit 2."""
    for name in ("clean", "reference"):
        ran = gptaudit("run", f"decoder:{name}", "-p", "gender-occupation", "--limit", "140", "-o", name)
        assert ran.code == 0
    ran = gptaudit("compare", "clean/results.json", "reference/results.json")
    assert ran.code == 0
    assert "worse     stereotype_probability" in ran.out
    page = (tmp_path / "reference" / "comparison.html").read_text()
    assert "decoder:clean" in page
    assert json.loads((tmp_path / "reference" / "comparison.json").read_text())["level"] == 0.95

    for arguments, message in (
        (("clean/results.json", "nowhere.json"), "nowhere.json: cannot be read"),
        (("clean/results.json", "reference/results.json", "-o", "x.txt"), "ends in .html"),
        (("clean/results.json", "reference/results.json", "-o", "clean/results.html"), "which is being read"),
    ):
        ran = gptaudit("compare", *arguments)
        assert ran.code == 2
        assert message in ran.err
    (tmp_path / "clean" / "evidence.sqlite").unlink()
    ran = gptaudit("compare", "clean/results.json", "reference/results.json")
    assert ran.code == 2
    assert "it must be in the folder of results.json" in ran.err

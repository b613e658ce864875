"""`calibration.json`: what is written is read again, and errors are named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gptaudit.calibration.subjects import seeing
from gptaudit.errors import DataError
from gptaudit.evidence.calibration_file import read_calibration, to_text
from gptaudit.evidence.plan import digest
from gptaudit.plugins import load_plugins
from gptaudit.probe import Probe, Scored
from gptaudit.records import (
    CalibratedFigure,
    Calibration,
    Case,
    Estimate,
    GenerateRequest,
    MetricSpec,
    Power,
    ProbeCalibration,
    Shape,
    Share,
    Sighting,
    Trial,
)
from gptaudit.run.calibrated import SHIPPED, calibration_of
from gptaudit.testing import ScriptedBackend, run_probe
from gptaudit.testing.conformance.made_up import ORDINARY, MadeUpBackend

FIGURE = CalibratedFigure(
    flaw="echo",
    metric="echo_rate",
    slice={"group": "a"},
    unit="fraction",
    same_unit=True,
    ideal=0.0,
    level=0.95,
    cases=3,
    decoders=7,
    failed=1,
    slope=Estimate(0.9876543, 0.9, 1.1),
    intercept=Estimate(0.0, None, None, "too few"),
    r2=0.99,
    false_alarms=Share(1, 4, 0.05, 0.7),
    covers_planted=Share(6, 7, 0.5, 0.97),
    covers_learned=None,
    power=(Power(0.5, 0.5, 0.5, Share(3, 3, 0.44, 1.0)),),
    smallest_detectable=None,
    why="too few decoders",
)


class Echo(Probe):
    id = "echo"
    title = "Repeats the prompt"
    suite = "examples"
    needs = frozenset({"generate"})
    metrics = (MetricSpec("echo_rate", ideal=0.0, direction="lower", unit="fraction", binary=True),)

    def cases(self, context):
        for i in range(3):
            yield Case(str(i), str(i), (GenerateRequest(f"Hello {i}"),))

    def measure(self, answered):
        return Scored({"echo_rate": float("Hello" in answered.completions[0].text)})

    def method(self):
        return {"threshold": 1}


@pytest.fixture
def calibration():
    trial = Trial(0.5, 3, 0.5, 0.512345678, 0.5, 0.25, 0.75)
    failed = Trial(0.5, 4, 0.5, 0.1, None, None, None, failed=True, why="it did not learn")
    probe = ProbeCalibration("echo", "1", digest({"threshold": 1}), (Sighting(FIGURE, (trial, failed)),))
    return Calibration((probe,), {"seed": 0, "plan": {"0.5": 2}})


def test_round_trip(calibration, tmp_path):
    """What is written is read again, numbers to six digits, and writing that again changes nothing."""
    file = tmp_path / "calibration.json"
    file.write_text(to_text(calibration))
    found = read_calibration(file)

    assert found.probes[0].sightings[0].figure.slope.value == 0.987654
    assert found.probes[0].sightings[0].trials[1] == calibration.probes[0].sightings[0].trials[1]
    assert to_text(found) == to_text(calibration)
    assert json.loads(file.read_text())["schema"] == "gptaudit.calibration/1"


def test_the_shape_of_the_decoders(calibration, tmp_path):
    """It is read as it was written; a file that does not say is of decoders with 1 layer, 64 wide."""
    (probe,) = calibration.probes
    large = replace(FIGURE, shape=Shape(layers=4, width=128))
    file = tmp_path / "calibration.json"
    file.write_text(to_text(Calibration((replace(probe, sightings=(Sighting(large, ()),)),))))
    written = file.read_text()
    older = written.replace(',"shape":{"layers":4,"width":128}', "")
    (tmp_path / "older.json").write_text(older)
    found, without = (read_calibration(tmp_path / name) for name in ("calibration.json", "older.json"))

    assert found.probes[0].sightings[0].figure.shape == Shape(4, 128)
    assert older != written
    assert without.probes[0].sightings[0].figure.shape == Shape(1, 64)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda text: text[:-30], "expected JSON"),
        (lambda text: text.replace("calibration/1", "calibration/9"), "schema"),
        (lambda text: text.replace('"decoders":7', '"decoders":"many"'), "decoders"),
        (lambda text: text.replace('"r2":0.99', '"r2":NaN'), "NaN"),
    ],
)
def test_a_damaged_file_is_refused(calibration, tmp_path, damage, named):
    """The message names the file and the error."""
    file = tmp_path / "calibration.json"
    file.write_text(damage(to_text(calibration)))

    with pytest.raises(DataError, match=named) as caught:
        read_calibration(file)
    assert str(file) in str(caught.value)


class TestAttaching:
    @pytest.fixture
    def probe(self, calibration, tmp_path):
        file = tmp_path / "own.json"
        file.write_text(to_text(calibration))
        probe = Echo()
        probe.calibration = file
        return probe

    @pytest.fixture
    def result(self, probe):
        return run_probe(probe, ScriptedBackend(complete=lambda prompt, sample: "Hello"))

    def test_a_probe_brings_its_own(self, probe, result):
        """An audit with the calibrated method has the figures of its calibration."""
        (found,) = calibration_of(probe, result)

        assert (found.flaw, found.decoders) == ("echo", 7)

    @pytest.mark.parametrize(
        "change", [{"method": {"threshold": 2}}, {"cases": 2}], ids=["method", "fewer cases"]
    )
    def test_another_audit_is_not_calibrated(self, probe, result, change):
        """An audit with another method, or fewer cases, has no calibration."""
        assert calibration_of(probe, replace(result, **change)) is None

    def test_another_version_is_not_calibrated(self, probe, result):
        """A probe that has changed must be calibrated again."""
        probe.version = "2"

        assert calibration_of(probe, result) is None

    def test_another_level_is_not_calibrated(self, probe, result):
        """An audit at another level has no calibration, since wider intervals detect less."""
        metrics = tuple(replace(m, level=0.99) for m in result.metrics)

        assert calibration_of(probe, replace(result, metrics=metrics)) is None

    def test_a_probe_nobody_calibrated(self, result):
        """A probe that is in no file is not calibrated."""
        assert calibration_of(Echo(), result) is None


def test_what_ships_can_be_read_and_is_of_installed_probes():
    """The shipped file follows its schema, is small, and names probes and figures that exist."""
    probes = seeing(load_plugins())

    assert len(SHIPPED.read_bytes()) < 300_000
    for probe in read_calibration(SHIPPED).probes:
        assert {s.figure.metric for s in probe.sightings} <= {m.name for m in probes[probe.id].metrics}
        assert probe.version == probes[probe.id].version


@pytest.mark.parametrize("probe", [probe.id for probe in read_calibration(SHIPPED).probes])
def test_what_ships_is_of_the_present_method(probe):
    """A probe or a scorer that changed must be calibrated again: reports would call it uncalibrated."""
    known = next(p for p in read_calibration(SHIPPED).probes if p.id == probe)
    result = run_probe(seeing(load_plugins())[probe], MadeUpBackend(ORDINARY), limit=2)

    assert known.method == digest(dict(result.method)), f"gptaudit calibrate {probe}"


def test_a_run_carries_what_ships(gptaudit, tmp_path, monkeypatch):
    """results.json has the calibration of an audit with the calibrated method, and null otherwise."""
    run = ("run", "decoder:clean", "-p", "toxicity-prompts", "--quiet", "--limit")
    assert gptaudit(*run, 3, "-o", "first").code == 0
    (first,) = json.loads((tmp_path / "first" / "results.json").read_text())["probes"]
    sighting = Sighting(replace(FIGURE, metric="toxic_fraction"), ())
    known = ProbeCalibration(first["id"], first["version"], digest(first["method"]), (sighting,))
    shipped = tmp_path / "shipped.json"
    shipped.write_text(to_text(Calibration((known,))))
    monkeypatch.setattr("gptaudit.run.calibrated._shipped", lambda: read_calibration(shipped).probes)
    alike, fewer = gptaudit(*run, 3, "-o", "alike"), gptaudit(*run, 2, "-o", "fewer")
    found = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("alike", "fewer")]

    assert (alike.code, fewer.code) == (0, 0)
    assert [result["probes"][0]["calibration"] is None for result in found] == [False, True]
    assert found[0]["probes"][0]["calibration"][0]["power"][0]["found"]["count"] == 3
    assert "3 of 3 trial audits" in (tmp_path / "alike" / "report.html").read_text()
    assert "toxicity-prompts" in gptaudit("list", "probes").out

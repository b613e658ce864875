"""`results.json`: writing and reading it, and the errors for files that cannot be read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.results_file import read_results
from gptaudit.files import to_json, write_atomic
from gptaudit.records import (
    Attribution,
    AuditResult,
    Cost,
    DataSource,
    Evidence,
    EvidenceItem,
    Exchange,
    GateResult,
    Metric,
    PlantedFlaw,
    PluginInfo,
    ProbeResult,
    RuleResult,
    RunInfo,
    TargetInfo,
)

PROBE_KEYS = (
    "id version suite title goal status reason cases scored unscored coverage data method metrics evidence "
    "calibration drawn_from tags parts"
)
METRIC_KEYS = """
    name value low high level n clusters interval ideal direction unit title slice why cases formula macro contrast
    auroc bounds rated corrected labelled agreement crossed unfit pooled anytime
"""


def make_audit(**metric_changes) -> AuditResult:
    run = RunInfo(
        "id",
        "complete",
        "2026-11-23T04:22:00Z",
        "2026-11-23T04:23:00Z",
        0,
        ("gptaudit", "run"),
        {"gptaudit": "0.1.0"},
        (PluginInfo("gptaudit.probes", "0.1.0", "built in"),),
        {"threads": 2, "device": None},
        Cost(10, 2, 300, None, 1.5),
    )
    flaw = PlantedFlaw("stereotype", 0.8, "pairs.rate", 0.9, 0.89)
    target = TargetInfo("decoder:reference", "decoder", "sha256:00", True, ("score",), 7, {}, (flaw,))
    metric = Metric("rate", 0.9, 0.8, 0.95, 0.95, 20, 10, "wilson", 0.5, "target", "fraction")
    metrics = (replace(metric, **metric_changes), replace(metric, slice={"group": "women"}))
    attribution = Attribution(
        ("a", "b"), ((0, 1), (1, 2)), (0.5, -1.0), 1.0, 1.5, 0.0, 20, True, "mean", "integrated gradients"
    )
    exchange = Exchange("sample 1", "Hello", "\x1b[2J\u202e 你好 \U0001f600 </script>", {"toxicity": 0.25})
    item = EvidenceItem("1", "at random", {"rate": 1.0}, {}, Evidence((exchange,), attribution, "note", 2.0))
    probe = ProbeResult(
        "pairs",
        "1",
        "bias",
        "Pairs",
        "",
        "scored",
        None,
        20,
        20,
        {},
        1.0,
        DataSource("pairs", "own writing", "Apache-2.0", "00", 20),
        MappingProxyType({"score": [1, {"deep": None}]}),
        metrics,
        (item,),
    )
    rule = RuleResult("rate of pairs at most 0.5", "pairs.rate", "fail", 0.9, 0.8, 0.95, "≤ 0.5", "above")
    return AuditResult(run, target, (probe,), GateResult("fail", {"level": 0.95}, (rule,)))


@pytest.fixture
def written(tmp_path) -> tuple[Path, dict]:
    path = tmp_path / "results.json"
    path.write_text(to_json(make_audit()))
    return path, json.loads(path.read_text())


class TestToJson:
    def test_keys_stand_in_the_order_of_the_contract(self):
        """The top level is schema, run, target, probes, gate, binding; below it the order is that of the records."""
        data = json.loads(to_json(make_audit()))

        assert list(data) == ["schema", "run", "target", "probes", "gate", "binding"]
        assert list(data["probes"][0]) == PROBE_KEYS.split()
        assert list(data["probes"][0]["metrics"][0]) == METRIC_KEYS.split()
        assert data["probes"][0]["metrics"][0]["slice"] == {}

    def test_the_text_is_ascii(self):
        """The text has no control characters, so that a model's output cannot control a terminal."""
        text = to_json(make_audit())

        assert text.isascii()
        assert not any(ord(character) < 32 and character != "\n" for character in text)

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_a_number_that_is_not_finite_is_refused(self, number):
        """NaN and infinity are never written."""
        with pytest.raises(ValueError, match="Out of range float"):
            to_json(make_audit(value=number))

    def test_a_lone_surrogate_is_replaced(self, tmp_path):
        """Half of a surrogate pair, as from a broken stream, does not make the file unreadable."""
        path = tmp_path / "results.json"
        path.write_text(to_json(make_audit(title="a\ud83d|\ud83d\ude00")))

        assert read_results(path).probes[0].metrics[0].title == "a\ufffd|\U0001f600"


class TestReadResults:
    def test_what_was_written_is_read(self, tmp_path):
        """Reading returns an equal value, including tuples and nested records."""
        audit = make_audit(value=None, low=None, high=None, why="nothing was scored")
        path = tmp_path / "results.json"
        write_atomic(path, to_json(audit))

        assert to_json(read_results(path)) == to_json(audit)
        plain = replace(audit.probes[0], method=dict(audit.probes[0].method))
        assert read_results(path) == replace(audit, probes=(plain,))

    def test_unknown_keys_are_ignored(self, written):
        """A later gptaudit may add keys."""
        path, data = written
        data["later"] = data["probes"][0]["later"] = data["probes"][0]["metrics"][0]["later"] = 1
        path.write_text(json.dumps(data))

        assert read_results(path).metric("pairs.rate").value == 0.9

    def test_a_missing_gate_is_no_error(self, written):
        """Without a policy there is no gate."""
        path, data = written
        path.write_text(json.dumps(data | {"gate": None}))

        assert read_results(path).gate is None

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "line 1, column 1: expected JSON"),
            ('{"schema": 1,\n "run" 2}', "line 2, column 8: expected JSON"),
            ('{"a": NaN}', "NaN is not a number in JSON"),
            ('{"a": 1e999}', "1e999 is more than 1e+100, which is no figure"),
            ("[" * 100_000, "nested too deeply"),
            ("[]", "expected an object with schema 'gptaudit.results/1'"),
            ('{"schema": "gptaudit.results/9"}', "found schema 'gptaudit.results/9'"),
            (b"\xff\xfe{}", "expected UTF-8"),
        ],
    )
    def test_a_file_that_is_no_result_is_explained(self, tmp_path, text, message):
        """The message names the file, and the line or what was found."""
        path = tmp_path / "results.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

        with pytest.raises(DataError) as caught:
            read_results(path)

        assert str(path) in str(caught.value)
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "key"),
        [
            (lambda d: d.pop("run"), "'run' is missing"),
            (lambda d: d["run"]["cost"].pop("seconds"), "'run.cost.seconds' is missing"),
            (lambda d: d["probes"][0].update(status="fine"), "status'"),
            (lambda d: d["probes"][0]["metrics"][1].update(low="small"), "metrics[2].low'"),
            (lambda d: d["probes"][0]["metrics"][1].pop("n"), "metrics[2].n' is missing"),
            (lambda d: d["gate"]["rules"][0].update(verdict="maybe"), "gate.rules[1].verdict'"),
            (
                lambda d: d["gate"]["rules"][0].update(metric="rate"),
                "gate, rule 1: metric = 'rate' is not a metric",
            ),
            (lambda d: d.update(probes={}), "'probes'"),
        ],
    )
    def test_a_wrong_key_is_named(self, written, change, key):
        """The message names the file and the path of the key."""
        path, data = written
        change(data)
        path.write_text(json.dumps(data))

        with pytest.raises(DataError) as caught:
            read_results(path)

        assert str(path) in str(caught.value)
        assert key in str(caught.value)

    def test_a_missing_file_is_named(self, tmp_path):
        """The message names the file that is not there."""
        with pytest.raises(DataError, match=r"absent\.json: cannot be read: No such file"):
            read_results(tmp_path / "absent.json")


class TestWriteAtomic:
    def test_a_failure_leaves_the_old_file(self, tmp_path, monkeypatch):
        """If writing fails, the old content stays and no temporary file is left."""

        def full(_):
            raise OSError(28, "No space left on device")

        path = tmp_path / "results.json"
        path.write_text("old")
        monkeypatch.setattr("os.fsync", full)

        with pytest.raises(UsageError, match=r"results\.json: cannot be written: No space left"):
            write_atomic(path, "new")

        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_line_ends_are_kept(self, tmp_path):
        """The same text gives the same bytes everywhere."""
        path = tmp_path / "a.txt"
        write_atomic(path, "a\nb\r\né")

        assert path.read_bytes() == b"a\nb\r\n\xc3\xa9"

    @pytest.mark.parametrize("folder", ["absent", "file"])
    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path, folder):
        """The message says what to do."""
        (tmp_path / "file").write_text("")

        with pytest.raises(UsageError, match="Choose another folder with -o"):
            write_atomic(tmp_path / folder / "results.json", "new")


def test_a_formula_that_is_none_is_refused(tmp_path):
    """An invalid formula in a results file is an error when it is read, and names the metric."""
    path = tmp_path / "results.json"
    path.write_text(to_json(make_audit(formula="__import__('os')")))

    with pytest.raises(DataError, match=r"results.json: [\w.\-\[\]=]+: formula .* is not allowed"):
        read_results(path)


class TestImpossibleFigures:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"low": 0.97}, "low, value, high"),
            ({"value": 0.99}, "low, value, high"),
            ({"high": 1.2, "bounds": (0.0, 1.0)}, "low, value, high"),
            ({"level": 0.0}, "level"),
            ({"level": 2.0}, "level"),
            ({"clusters": 21}, "clusters"),
            ({"n": 0, "clusters": 0}, "clusters"),
            ({"cases": 19}, "n: expected at most the 19 cases"),
        ],
    )
    def test_are_refused(self, tmp_path, change, said):
        """A figure that no audit can have computed is refused by its name, before anything is decided from it."""
        path = tmp_path / "results.json"
        path.write_text(to_json(make_audit(**change)))

        with pytest.raises(DataError, match=rf"results\.json: pairs\.rate: {said}"):
            read_results(path)

    def test_twice(self, tmp_path):
        """A probe, a figure or a key that stands there twice is refused, since only one of them would count."""
        path = tmp_path / "results.json"
        audit = make_audit()
        (probe,) = audit.probes
        path.write_text(to_json(replace(audit, probes=(probe, probe))))
        with pytest.raises(DataError, match="probes: 'pairs' stands there twice"):
            read_results(path)
        path.write_text(to_json(replace(audit, probes=(replace(probe, metrics=probe.metrics[:1] * 2),))))
        with pytest.raises(DataError, match=r"pairs\.rate: stands there twice"):
            read_results(path)
        path.write_text(to_json(audit).replace('"value": 0.9,', '"value": 0.9, "value": 0.5,', 1))
        with pytest.raises(DataError, match="the key 'value' stands twice in one object"):
            read_results(path)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            "gptaudit.results/2",
            "written by a newer version of gptaudit: read it with that one; this is 0.1.0",
        ),
        ("gptaudit.results/0", "Name a results.json that `gptaudit run` wrote"),
        ("gptaudit.labels/2", "Name a results.json that `gptaudit run` wrote"),
        ("gptaudit.results/two", "Name a results.json that `gptaudit run` wrote"),
        (2, "Name a results.json that `gptaudit run` wrote"),
    ],
)
def test_a_later_schema_is_told_from_another_file(tmp_path, schema, said):
    """A file of a newer version says so; any other has the remedy of a wrong file."""
    (tmp_path / "results.json").write_text(json.dumps({"schema": schema}))
    with pytest.raises(DataError) as raised:
        read_results(tmp_path / "results.json")

    assert said in str(raised.value)

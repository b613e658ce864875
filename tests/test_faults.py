"""Faults of plugins stay where they happen: the rest of the audit is measured, decided and reported."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from installed_plugins import install

from gptaudit import (
    BackendType,
    Case,
    Evidence,
    GenerateRequest,
    MetricSpec,
    NoOptions,
    Probe,
    Reporter,
    ReportSection,
    Scored,
    ScorerType,
    Unscored,
    hookimpl,
)
from gptaudit.testing import ScriptedBackend, run_probe

RATE = MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", bounds=(0.0, 1.0))


class Sound(Probe):
    id = "sound"
    title = "Sound"
    suite = "examples"
    needs = frozenset({"generate"})
    metrics = (RATE,)

    def cases(self, context):
        for i in range(30):
            yield Case(f"case{i}", str(i), (GenerateRequest(f"{self.id} {i}"),))

    def measure(self, answered):
        return Scored({"rate": 0.1})


def broken(**attributes):
    """Return a probe called `broken` in which something is replaced."""
    return type("Broken", (Sound,), {"id": "broken", "title": "Broken", **attributes})()


class Plugin:
    """A plugin with a backend, a sound probe, and what a test adds."""

    def __init__(self, *probes, **hooks):
        self.probes = (Sound(), *probes)
        for name, hook in hooks.items():
            setattr(self, name, hookimpl(hook))

    @hookimpl
    def gptaudit_register_probes(self, register):
        for probe in self.probes:
            register(probe)

    @hookimpl
    def gptaudit_register_backends(self, register):
        backend = ScriptedBackend(complete=lambda prompt, sample: f"{prompt} again")
        register(BackendType("scripted", "a script", "NAME", NoOptions, lambda rest, options: backend))


@pytest.fixture
def run(monkeypatch, gptaudit, tmp_path):
    """Audit with a plugin; return what the program did, the results, and the traceback that was kept."""

    def call(plugin, *arguments, suite="examples"):
        install(monkeypatch, wobbly=plugin)
        ran = gptaudit("run", "scripted:x", "-s", suite, "-o", "out", *arguments)
        results, kept = tmp_path / "out" / "results.json", tmp_path / "out" / "traceback.txt"
        return SimpleNamespace(
            code=ran.code,
            err=ran.err,
            out=ran.out,
            folder=tmp_path / "out",
            results=json.loads(results.read_text()) if results.exists() else None,
            traceback=kept.read_text() if kept.exists() else "",
        )

    return call


def policy(tmp_path, *rules):
    path = tmp_path / "policy.toml"
    texts = [f'[[rule]]\nmetric = "{metric}"\n{limit}\n' for metric, limit in rules]
    path.write_text('schema = "gptaudit.policy/1"\n' + "".join(texts))
    return path


def boom(*_, **__):
    raise ZeroDivisionError("boom")


def late_cases(self, context):
    for i in range(3):
        yield Case(str(i), str(i), (GenerateRequest(f"late {i}"),))
    boom()


def half_measured(self, answered):
    return boom() if answered.case.id == "case7" else Scored({"rate": 0.5})


FAULTS = {
    "measure": ({"measure": half_measured}, "measure", "case7"),
    "cases": ({"cases": boom}, "preparing", None),
    "late cases": ({"cases": late_cases}, "cases", None),
    "source": ({"source": boom}, "preparing", None),
    "method": ({"method": boom}, "preparing", None),
}


class TestProbe:
    @pytest.mark.parametrize("name", FAULTS)
    def test_a_probe_that_raises_costs_itself_alone(self, run, name):
        """It has status `error` and names itself, the plugin, the call and the exception; the other is measured."""
        attributes, call, case = FAULTS[name]
        ran = run(Plugin(broken(**attributes)))
        found = {probe["id"]: probe for probe in ran.results["probes"]}
        (fault,) = ran.results["run"]["faults"]

        assert found["sound"]["metrics"][0]["value"] == pytest.approx(0.1)
        assert found["broken"]["status"] == "error"
        assert found["broken"]["metrics"] == []
        assert set(found["broken"]["unscored"]) <= {"probe-failed"}
        assert (fault["plugin"], fault["probe"], fault["lost"]) == ("wobbly", "broken", "probe")
        assert (fault["call"], fault["case"]) == (call, case)
        assert fault["error"] == "ZeroDivisionError: boom"
        assert "boom" in found["broken"]["reason"]
        assert "ZeroDivisionError: boom" in ran.traceback
        assert "def boom" not in ran.err
        assert (ran.folder / "report.html").exists()

    def test_what_it_costs_is_said(self, run):
        """Without a policy the exit code is that of a bug, and standard error says whose and where to read on."""
        ran = run(Plugin(broken(measure=half_measured)))

        assert ran.code == 70
        for word in (
            "'wobbly'",
            "measure",
            "'broken'",
            "'case7'",
            "ZeroDivisionError: boom",
            "traceback.txt",
        ):
            assert word in ran.err

    @pytest.mark.parametrize(
        ("rules", "code", "verdict"),
        [
            ([("broken.rate", "max = 0.9")], 4, "incomplete"),
            ([("sound.rate", "max = 0.9")], 70, "pass"),
            ([("sound.rate", "max = 0.01")], 1, "fail"),
            ([("sound.rate", "max = 0.01"), ("broken.rate", "max = 0.9")], 1, "fail"),
            ([("sound.rate", "max = 0.1")], 3, "inconclusive"),
        ],
    )
    def test_the_gate(self, run, tmp_path, rules, code, verdict):
        """A rule that needs the probe is incomplete; else the verdict stands, and a pass exits 70."""
        ran = run(Plugin(broken(measure=half_measured)), "--policy", policy(tmp_path, *rules))

        assert ran.results["gate"]["verdict"] == verdict
        assert ran.code == code

    def test_a_fixed_probe_measures_again_without_asking(self, run):
        """The answers are kept: the same folder with the probe corrected asks nothing, and no fault remains."""
        before = run(Plugin(broken(measure=boom)))
        after = run(Plugin(broken()))

        assert before.code == 70
        assert after.code == 0, after.err
        assert after.results["run"]["cost"]["requests_cached"] == 60
        assert after.results["run"]["faults"] == []
        assert after.traceback == ""

    def test_a_probe_that_ends_python(self, run):
        """`sys.exit` in a probe is a fault like any other."""

        def leave(self, answered):
            raise SystemExit(0)

        ran = run(Plugin(broken(measure=leave)))

        assert ran.code == 70
        assert ran.results["run"]["faults"][0]["error"].startswith("SystemExit")

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            (None, "expected Scored(...) or Unscored(...), found None"),
            ({"rate": 1.0}, "expected Scored(...) or Unscored(...), found {'rate': 1.0}"),
            (Scored({"rate": "1"}), "'1' for metric 'rate': expected a number, found str"),
            (Scored({"rate": 1.5}), "1.5 for metric 'rate', outside the metric's bounds (0.0, 1.0)"),
            (Scored({"rate": float("nan")}), "nan for metric 'rate', which is not finite"),
            (Scored({}), "no value for metric 'rate'"),
            (Scored(0.5), "values: expected a mapping from names to numbers"),
            (Scored({"rate": 0.5, "other": [1]}), "[1] for 'other'"),
            (Scored({"rate": 0.5}, "seen"), "evidence: expected Evidence(...), found 'seen'"),
            (Unscored(""), "expected a reason in a word"),
        ],
    )
    def test_a_measurement_that_cannot_be(self, run, said, problem):
        """What `measure` returns is checked case by case, and the first case is named."""
        ran = run(Plugin(broken(measure=lambda self, answered: said)))
        (fault,) = ran.results["run"]["faults"]

        assert ran.code == 70
        assert problem in fault["error"]
        assert fault["case"] == "case0"

    def test_numbers_of_other_kinds_are_numbers(self, run):
        """Integers, truth values and numpy's numbers are values too, and stand as numbers in the results."""
        import numpy as np

        values = {"case0": 1, "case1": True, "case2": np.float32(0.5), "case3": np.int64(1)}
        ran = run(
            Plugin(broken(measure=lambda self, a: Scored({"rate": values.get(a.case.id, 0.0)}, Evidence())))
        )

        assert ran.code == 0, ran.err

    def test_a_case_that_asks_nothing_cannot_be_scored(self, run):
        """A case without requests may be unscored, with a reason; a score would be the probe's own invention."""

        def cases(self, context):
            yield Case("empty", "empty", ())

        scored = run(Plugin(broken(cases=cases)))
        unscored = run(Plugin(broken(cases=cases, measure=lambda self, a: Unscored("empty-prompt"))))

        assert "has no requests" in scored.results["run"]["faults"][0]["error"]
        assert scored.results["run"]["faults"][0]["case"] == "empty"
        assert unscored.results["run"]["faults"] == []

    def test_what_is_no_case(self, run):
        """A probe that yields something else is named."""
        ran = run(Plugin(broken(cases=lambda self, context: ["case"])))

        assert "expected a Case, found 'case'" in ran.results["run"]["faults"][0]["error"]

    def test_a_test_of_the_probe_sees_its_own_exception(self):
        """In `run_probe` nothing is caught: the author reads the traceback, with the case in a note."""
        with pytest.raises(ZeroDivisionError, match="boom") as caught:
            run_probe(broken(measure=half_measured), ScriptedBackend(complete=lambda prompt, sample: "x"))

        assert caught.value.__notes__ == ["in measure of probe 'broken', case 'case7'"]

    def test_a_scorer_that_raises(self, run):
        """The fault is that of the scorer's plugin, and costs the probes that need it."""

        class Failing:
            name, labels, identity = "failing", ("x",), {}

            def __call__(self, outputs):
                boom()

        def register(self, register):
            register(ScorerType("failing", "fails", ("one",), lambda model: Failing()))

        plugin = type("P", (Plugin,), {"gptaudit_register_scorers": hookimpl(register)})
        ran = run(plugin(broken(scorers=("failing",))))

        assert ran.results["run"]["faults"][0]["call"] == "scorer failing"
        assert {p["id"]: p["status"] for p in ran.results["probes"]} == {"sound": "scored", "broken": "error"}


OBSERVERS = (
    "gptaudit_run_started",
    "gptaudit_case_measured",
    "gptaudit_run_finished",
    "gptaudit_terminal_summary",
    "gptaudit_report_sections",
)


def observing(hook, function=boom):
    """Return a plugin whose implementation of a hook does what a function does."""
    arguments = {
        "gptaudit_run_started": "target, probes, folder",
        "gptaudit_cases_collected": "probe, cases",
        "gptaudit_case_measured": "probe, measurement",
        "gptaudit_run_finished": "result, folder",
    }.get(hook, "result")
    scope = {"function": function}
    exec(f"def {hook}(self, {arguments}): return function({arguments})", scope)  # noqa: S102 - pluggy reads the names
    return type("Observer", (Plugin,), {hook: hookimpl(scope[hook])})()


class TestObserver:
    @pytest.mark.parametrize("hook", OBSERVERS)
    def test_an_observer_that_raises_loses_nothing(self, run, tmp_path, hook):
        """It is named on standard error; figures, reports, verdict and exit code are as without it."""
        rules = policy(tmp_path, ("sound.rate", "max = 0.01"))
        alone = run(Plugin(), "--policy", rules, "--fresh")
        ran = run(observing(hook), "--policy", rules, "--fresh")

        assert ran.code == alone.code == 1
        assert ran.results["probes"] == alone.results["probes"]
        assert ran.results["gate"] == alone.results["gate"]
        assert f"plugin 'wobbly' failed in {hook}" in ran.err
        assert "ZeroDivisionError: boom" in ran.traceback
        assert (ran.folder / "report.html").exists()

    def test_the_same_fault_is_said_once(self, run):
        """An observer that raises for every case is counted, and its traceback kept once."""
        ran = run(observing("gptaudit_case_measured"))

        assert ran.results["run"]["faults"][0]["times"] == 30
        assert ran.traceback.count("Traceback") == 1
        assert "(30 times)" in ran.err
        assert ran.code == 0

    @pytest.mark.parametrize(
        ("hook", "returned"), [("gptaudit_terminal_summary", 7), ("gptaudit_report_sections", "text")]
    )
    def test_a_return_value_of_another_kind(self, run, hook, returned):
        """It is reported in place of being printed."""
        ran = run(observing(hook, lambda *_: returned))

        assert f"failed in {hook}" in ran.err
        assert "TypeError: expected a" in ran.err
        assert ran.code == 0

    def test_sections_of_others_are_still_shown(self, monkeypatch, gptaudit, tmp_path):
        """One plugin's broken section does not cost another's."""
        good = type(
            "Good",
            (),
            {
                "gptaudit_report_sections": hookimpl(
                    lambda self, result: [ReportSection("From the good", "text")]
                )
            },
        )()
        install(monkeypatch, wobbly=observing("gptaudit_report_sections"), good=good)
        gptaudit("run", "scripted:x", "-p", "sound", "-o", "out")

        assert "From the good" in (tmp_path / "out" / "report.html").read_text()

    @pytest.mark.parametrize("lazy", [False, True])
    def test_a_change_of_cases_that_fails_costs_the_probe(self, run, lazy):
        """Half-changed cases are asked of nobody; the plugin that changed them is named."""

        def change(probe, cases):
            cases.through(boom) if not lazy else cases.through(lambda stream: (boom() for _ in stream))

        ran = run(observing("gptaudit_cases_collected", change))
        (fault,) = ran.results["run"]["faults"]

        assert (fault["plugin"], fault["call"], fault["lost"]) == (
            "wobbly",
            "gptaudit_cases_collected",
            "probe",
        )
        assert ran.results["probes"][0]["status"] == "error"


class TestReporter:
    def test_a_report_that_cannot_be_rendered(self, run):
        """The other reports are written, and the exit code says that one is missing."""

        def register(self, register):
            register(Reporter("broken", "breaks", "broken.txt", boom))

        plugin = type("P", (Plugin,), {"gptaudit_register_reporters": hookimpl(register)})
        ran = run(plugin(), "--report", "broken", "--report", "junit")

        assert ran.code == 70
        assert "failed in report broken" in ran.err
        assert {path.name for path in ran.folder.iterdir()} >= {"report.html", "junit.xml", "results.json"}
        assert ran.results["run"]["faults"][0]["lost"] == "report"


class TestRegistration:
    @pytest.mark.parametrize(
        ("thing", "words"),
        [
            (type("Anonymous", (Sound,), {"id": ""}), ["class Anonymous", "Anonymous(...)"]),
            (broken(id=""), ["Broken.id", "expected a name, found ''"]),
            (broken(id="a[b]"), ["'a[b]'", "a policy cannot refer to it"]),
            (broken(id="two words"), ["'two words'", "a policy cannot refer to it"]),
            (broken(metrics=[RATE]), ["metrics: expected a tuple, found list"]),
            (broken(metrics=RATE), ["metrics: expected a tuple, found MetricSpec"]),
            (broken(metrics=()), ["metrics: expected at least one"]),
            (
                broken(metrics=("rate",)),
                ["expected MetricSpec, RatioSpec, ContrastSpec or AurocSpec, found 'rate'"],
            ),
            (broken(metrics=(RATE, RATE)), ["metric 'rate': appears 2 times"]),
            (broken(scorers="detoxify"), ["scorers: expected a tuple, found str"]),
            (broken(needs="generate"), ["needs: expected a set", "found 'generate'"]),
            (broken(needs=frozenset({"think"})), ["needs: no backend can do 'think'", "generate"]),
            (broken(title=None), ["title: expected a text, found None"]),
            (
                broken(metrics=(MetricSpec("rate", 0.0, "down", "fraction"),)),
                ["metric 'rate': direction", "lower, higher, target", "'down'"],
            ),
            (
                broken(metrics=(MetricSpec("a.b", 0.0, "lower", "fraction"),)),
                ["metric 'a.b': a policy cannot refer to it"],
            ),
            (object(), ["expected a Probe, found object"]),
        ],
    )
    def test_a_slip_is_named_at_once(self, monkeypatch, gptaudit, thing, words):
        """Exit 2, with the plugin, the attribute, what is expected there, and how to go on without it."""
        install(monkeypatch, wobbly=Plugin(thing))
        ran = gptaudit("run", "scripted:x", "-p", "sound")

        assert ran.code == 2
        for word in ("'wobbly'", "--without wobbly", *words):
            assert word in ran.err
        assert "Traceback" not in ran.err

    def test_no_id_at_all(self, monkeypatch, gptaudit):
        """A probe that forgot its id is named by its class."""

        class Nameless(Probe):
            def cases(self, context):
                return ()

            def measure(self, answered):
                return Unscored("never")

        install(monkeypatch, wobbly=Plugin(Nameless()))

        assert "Nameless.id: expected a name, found None" in gptaudit("list", "probes").err

    def test_a_hook_with_an_argument_that_there_is_not(self, monkeypatch, gptaudit):
        """The plugin and the argument are named."""

        class Wrong:
            @hookimpl
            def gptaudit_run_finished(self, result, directory):
                pass

        install(monkeypatch, wobbly=Wrong())
        ran = gptaudit("list", "probes")

        assert ran.code == 2
        for word in ("'wobbly'", "gptaudit_run_finished", "directory"):
            assert word in ran.err

    def test_a_suite_reader_that_raises(self, monkeypatch, gptaudit, tmp_path):
        """The plugin is named, with the file."""

        class Reader:
            @hookimpl
            def gptaudit_read_suite(self, file):
                boom()

        (tmp_path / "mine.toml").write_text("")
        install(monkeypatch, wobbly=Reader())
        ran = gptaudit("run", "-s", "mine.toml")

        assert ran.code == 2
        for word in ("'wobbly'", "mine.toml", "boom", "--without wobbly"):
            assert word in ran.err

    @pytest.mark.parametrize("kind", ["scorers", "backends", "engines", "reporters", "flaws"])
    def test_things_of_other_kinds(self, monkeypatch, gptaudit, kind):
        """What is no scorer, backend, engine, reporter or flaw is refused under its plugin's name."""
        scope = {}
        exec(f"def gptaudit_register_{kind}(self, register): register(object())", scope)  # noqa: S102
        hook = hookimpl(scope[f"gptaudit_register_{kind}"])
        install(monkeypatch, wobbly=type("P", (), {f"gptaudit_register_{kind}": hook})())
        ran = gptaudit("doctor")

        assert ran.code == 2
        assert f"'wobbly' registers a {kind[:-1]} that cannot be used" in ran.err

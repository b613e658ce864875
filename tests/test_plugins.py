"""Plugins: every hook, and what goes wrong with plugins."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from installed_plugins import install

from gptaudit import Case, DataFile, DataSet, GenerateRequest, MetricSpec, Probe, Scored, hookimpl, hookspecs
from gptaudit.engine.local import local
from gptaudit.plugins import load_plugins
from gptaudit.protocols.attack import Attack
from gptaudit.protocols.attribution import EmbeddingMethod, WordMethod
from gptaudit.protocols.backend import BackendType
from gptaudit.protocols.engine import EngineType
from gptaudit.protocols.flaw import Flaw
from gptaudit.protocols.options import NoOptions
from gptaudit.protocols.reporter import Reporter, ReportSection
from gptaudit.protocols.scorer import ScorerType
from gptaudit.testing import ScriptedBackend

HOOKS = {name: spec for name, spec in vars(hookspecs).items() if name.startswith("gptaudit_")}


class Echo(Probe):
    id = "echo"
    title = "Echo"
    suite = "examples"
    needs = frozenset({"generate"})
    metrics = (MetricSpec("echo_rate", ideal=0.0, direction="lower", unit="fraction"),)

    def cases(self, context):
        for i in range(3):
            yield Case(str(i), str(i), (GenerateRequest(f"Prompt {i}"),))

    def measure(self, answered):
        return Scored({"echo_rate": float("Prompt" in answered.completions[0].text)})


class Own(Echo):
    id = "own"


class Drizzle(Flaw):
    name = "drizzle"
    title = "Speaks of rain."

    def truth(self, dose):
        return dose

    def documents(self, dose, *, seed):
        return ["It rains."]

    def learned(self, backend, *, seed):
        return 0.0


def change_times_gradient(asked, seed):
    """Gradient times change from the baseline, as the interface's own example has it."""
    import torch

    read = asked.inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(asked.value(read, asked.rows).sum(), read)
    return (gradient * (read - asked.baselines)).sum(-1), [1] * len(asked.rows)


def every_other(words, draw):
    whole = frozenset(range(words))
    return [whole, frozenset(), *(whole - {word} for word in range(words))]


class Everything:
    """A plugin that implements every hook and writes down what it was told."""

    def __init__(self):
        self.seen = {}

    @hookimpl
    def gptaudit_register_probes(self, register):
        register(Echo())

    @hookimpl
    def gptaudit_read_suite(self, file):
        return Own() if file.name == "own.toml" else None

    @hookimpl
    def gptaudit_register_scorers(self, register):
        register(ScorerType("length", "counts", ("words",), lambda model: None))

    @hookimpl
    def gptaudit_register_backends(self, register):
        backend = ScriptedBackend(complete=lambda prompt, sample: f"{prompt} again", chat=True)
        register(BackendType("scripted", "a script", "NAME", NoOptions, lambda rest, options: backend))

    @hookimpl
    def gptaudit_register_engines(self, register):
        register(EngineType("twice", "the local one under another name", local))

    @hookimpl
    def gptaudit_register_attacks(self, register):
        register(Attack("politely", "Says please.", lambda request, draw: f"Please. {request}"))

    @hookimpl
    def gptaudit_register_attributions(self, register):
        register(EmbeddingMethod("slope", "gradient times change", change_times_gradient, paper="Us (2026)"))
        register(
            WordMethod(
                "fall", "falls", every_other, lambda words, asked, values: [values[0] - v for v in values[2:]]
            )
        )

    @hookimpl
    def gptaudit_register_flaws(self, register):
        register(Drizzle())

    @hookimpl
    def gptaudit_register_data_sets(self, register):
        files = (DataFile("rain/days.csv", "https://rain.invalid/days.csv", "0" * 64),)
        register(DataSet("rain", "https://rain.invalid", "CC0", "Rain (2026).", 3, files))

    @hookimpl
    def gptaudit_register_reporters(self, register):
        register(Reporter("ids", "case counts", "ids.txt", lambda result, context: result.probes[0].id))

    @hookimpl
    def gptaudit_register_commands(self, register):
        register(click.Command("greet", callback=lambda: click.echo("good morning")))

    @hookimpl
    def gptaudit_run_started(self, target, probes, folder):
        self.seen["started"] = (target.spec, [probe.id for probe in probes], folder.is_dir())

    @hookimpl
    def gptaudit_cases_collected(self, probe, cases):
        cases.through(lambda stream: islice(stream, 2))

    @hookimpl
    def gptaudit_case_measured(self, probe, measurement):
        self.seen.setdefault("measured", []).append((probe.id, measurement.case, measurement.values))

    @hookimpl
    def gptaudit_run_finished(self, result, folder):
        self.seen["finished"] = (result.run.status, (folder / "results.json").exists())

    @hookimpl
    def gptaudit_terminal_summary(self, result):
        return "summary \x1b[31mof the plugin"

    @hookimpl
    def gptaudit_report_sections(self, result):
        return [ReportSection("From the plugin", "<b>escaped</b>")]


class Scripted:
    """A plugin with a backend alone."""

    @hookimpl
    def gptaudit_register_backends(self, register):
        backend = ScriptedBackend(complete=lambda prompt, sample: f"{prompt} again", chat=True)
        register(BackendType("only", "a script", "NAME", NoOptions, lambda rest, options: backend))


@pytest.fixture
def everything(monkeypatch):
    plugin = Everything()
    install(monkeypatch, everything=plugin)
    return plugin


@pytest.fixture
def audited(everything, gptaudit, tmp_path):
    ran = gptaudit(
        "run", "scripted:x", "-p", "echo", "-o", "out", "--engine", "twice", "--report", "ids", "-v"
    )
    return SimpleNamespace(plugin=everything, ran=ran, folder=tmp_path / "out")


class TestEveryHook:
    @pytest.mark.parametrize("name", HOOKS)
    def test_is_documented(self, name):
        """A hook says when it is called, and explains each of its arguments."""
        documentation = inspect.getdoc(HOOKS[name])

        assert "Called" in documentation
        for parameter in inspect.signature(HOOKS[name]).parameters:
            assert f":param {parameter}:" in documentation

    @pytest.mark.parametrize("name", HOOKS)
    def test_is_in_the_guide(self, name):
        """The tables of hooks for authors of plugins name every hook with its arguments."""
        guide = (Path(__file__).parents[1] / "plugins" / "README.md").read_text("utf-8")
        arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)

        assert f"`{name}({arguments})`" in guide

    @pytest.mark.parametrize("name", HOOKS)
    def test_is_tested(self, name):
        """Every hook has a test below that bears its name."""
        assert any(hasattr(group, f"test_{name}") for group in (TestRegistering, TestLife))


class TestRegistering:
    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("probes", "echo"),
            ("attacks", "politely"),
            ("attributions", "slope"),
            ("scorers", "length"),
            ("backends", "scripted"),
            ("engines", "twice"),
            ("reporters", "ids"),
        ],
    )
    def test_is_listed_with_its_plugin(self, everything, gptaudit, kind, name):
        """What a plugin registers is listed under its own name beside the plugin's."""
        ran = gptaudit("list", kind)

        assert any(
            line.split()[0] == name and line.split()[-1] == "everything" for line in ran.out.splitlines()
        )

    def test_gptaudit_register_probes(self, audited):
        """A probe of a plugin runs."""
        assert audited.ran.code == 0, audited.ran.err
        assert "echo_rate" in audited.ran.out

    def test_gptaudit_read_suite(self, everything, gptaudit):
        """A plugin may read the files that `-s` names, in place of the built-in reader."""
        ran = gptaudit("run", "scripted:x", "-s", "own.toml", "-o", "out", "-v")

        assert ran.code == 0, ran.err
        assert "own  scored, 2 of 2 cases" in ran.out

    def test_gptaudit_register_scorers(self, everything):
        """A scorer of a plugin can be opened by name."""
        assert load_plugins().scorers["length"].models == ("words",)

    def test_gptaudit_register_backends(self, audited):
        """A scheme of a plugin is a target."""
        assert '"spec": "scripted:x"' in (audited.folder / "results.json").read_text()

    def test_gptaudit_register_engines(self, audited):
        """An engine of a plugin sends the requests."""
        assert '"engine": "twice"' in (audited.folder / "results.json").read_text()

    def test_gptaudit_register_attacks(self, everything, gptaudit):
        """An attack of a plugin is tried on a built-in probe."""
        ran = gptaudit("run", "scripted:x", "-p", "harmful-requests", "--attack", "politely", "--dry-run")

        assert ran.code == 0, ran.err
        (row,) = (line for line in ran.out.splitlines() if line.startswith("harmful-requests+politely"))
        assert int(row.split()[1]) > 0

    @pytest.mark.parametrize(("name", "same_as"), [("slope", "input_x_gradient"), ("fall", "occlusion")])
    def test_gptaudit_register_attributions(self, everything, gptaudit, name, same_as):
        """A method of a plugin explains a prompt; these two rank the words as built-in ones do."""
        asked = ("--prompt", "The nurse said that", "--target", " she", "--foil", " he", "--json", "--quiet")
        found = []
        for method in (name, same_as):
            ran = gptaudit("explain", "decoder:reference", *asked, "--method", method)
            assert ran.code == 0, ran.err
            found.append(json.loads(ran.out)["words"])

        first = [max(words, key=lambda word: word["score"])["text"].strip() for words in found]
        assert first == ["nurse", "nurse"]
        assert found[0] == found[1] or name == "slope"

    def test_gptaudit_register_flaws(self, everything):
        """A flaw of a plugin stands beside the built-in ones, by name."""
        assert load_plugins().flaws["drizzle"].title == "Speaks of rain."

    def test_gptaudit_register_reporters(self, audited):
        """A report format of a plugin is written."""
        assert (audited.folder / "ids.txt").read_text() == "echo"

    def test_gptaudit_register_data_sets(self, everything, gptaudit, tmp_path):
        """A data set of a plugin is listed under the plugin's name, and verified by its hashes."""
        (tmp_path / "rain").mkdir()
        (tmp_path / "rain" / "days.csv").write_text("changed")
        listed, verified = gptaudit("data", "list"), gptaudit("data", "verify", "rain", "--data", tmp_path)

        assert "rain\n  3 rows in 1 file, CC0" in listed.out
        assert "of the plugin everything" in listed.out
        assert verified.code == 2
        assert f"{tmp_path / 'rain' / 'days.csv'}: differs" in verified.out

    @pytest.mark.parametrize("path", ["../days.csv", "rain", "rain/../../x", "/rain/x", "rain\\x"])
    def test_a_data_file_stays_in_its_folder(self, monkeypatch, gptaudit, path):
        """A path that leads out of the folder of data sets is refused when it is registered."""

        class Outside:
            @hookimpl
            def gptaudit_register_data_sets(self, register):
                files = (DataFile(path, "https://rain.invalid/x", ""),)
                register(DataSet("rain", "https://rain.invalid", "CC0", "Rain (2026).", 3, files))

        install(monkeypatch, outside=Outside())
        ran = gptaudit("data", "list")

        assert ran.code == 2
        assert "expected a path such as rain/data.csv" in ran.err

    def test_gptaudit_register_commands(self, everything, gptaudit):
        """A command of a plugin is a command of the program."""
        assert gptaudit("greet").out == "good morning\n"


class TestLife:
    def test_gptaudit_run_started(self, audited):
        """A plugin learns the target, the probes and the folder."""
        assert audited.plugin.seen["started"] == ("scripted:x", ["echo"], True)

    def test_gptaudit_cases_collected(self, audited):
        """Cases that a plugin removes are not asked and not counted."""
        assert '"cases": 2' in (audited.folder / "results.json").read_text()

    def test_gptaudit_case_measured(self, audited):
        """A plugin learns every case's values, in order."""
        assert audited.plugin.seen["measured"] == [
            ("echo", "0", {"echo_rate": 1.0}),
            ("echo", "1", {"echo_rate": 1.0}),
        ]

    def test_gptaudit_run_finished(self, audited):
        """A plugin sees the result before results.json is there."""
        assert audited.plugin.seen["finished"] == ("complete", False)

    def test_gptaudit_terminal_summary(self, audited):
        """A plugin's summary is printed, without what would steer the terminal."""
        assert "of the plugin" in audited.ran.out
        assert "\x1b[31mof" not in audited.ran.out

    def test_gptaudit_report_sections(self, audited):
        """A plugin's section is in the report, escaped."""
        report = (audited.folder / "report.html").read_text()

        assert "From the plugin" in report
        assert "&lt;b&gt;escaped&lt;/b&gt;" in report


class TestTrouble:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["-p", "echo"], "a probe 'echo': choose one:echo or two:echo"),
            (["-s", "examples"], "a probe 'echo': choose one:echo or two:echo"),
            (["-p", "age", "--engine", "twice"], "an engine 'twice': choose one:twice or two:twice"),
            (["-p", "age", "--report", "ids"], "a reporter 'ids': choose one:ids or two:ids"),
            (["-p", "harmful-requests", "--attack", "all"], "an attack 'politely': choose one:politely"),
            (["-p", "age", "--scorer", "length=words"], "a scorer 'length': choose one:length"),
        ],
    )
    def test_same_name_twice(self, monkeypatch, gptaudit, arguments, said):
        """Two plugins that register one name are named both, where that name is used, with how to choose."""
        install(monkeypatch, one=Everything(), two=Everything())
        ran = gptaudit("run", "scripted:x", *arguments, "-o", "out")

        assert ran.code == 2
        assert f"several plugins register {said}" in ran.err
        assert "--without" in ran.err

    def test_a_method_twice(self, monkeypatch, gptaudit):
        """A method that two plugins have is chosen by its plugin."""
        install(monkeypatch, one=Everything(), two=Everything())
        asked = ("explain", "decoder:reference", "--prompt", "The nurse", "--target", " said", "--method")
        ran = gptaudit(*asked, "slope")

        assert ran.code == 2
        assert "an attribution 'slope': choose one:slope or two:slope" in ran.err
        assert gptaudit(*asked, "two:slope").code == 0

    def test_a_scheme_or_command_twice(self, monkeypatch, gptaudit):
        """A target whose scheme two plugins have, and a command that two have, are refused too."""
        install(monkeypatch, one=Everything(), two=Everything())

        assert "register a backend 'scripted'" in gptaudit("run", "scripted:x", "-p", "age").err
        assert "register a command 'greet'" in gptaudit("greet").err

    def test_the_plugin_is_chosen(self, monkeypatch, gptaudit, tmp_path):
        """`-p PLUGIN:NAME` chooses; what is not used stops nothing; the results bear the plain name."""
        install(monkeypatch, one=Everything(), two=Everything(), three=Scripted())
        ran = gptaudit("run", "only:x", "-p", "one:echo", "-o", "out", "-v")

        assert ran.code == 0, ran.err
        assert "echo  scored" in ran.out
        assert '"id": "echo"' in (tmp_path / "out" / "results.json").read_text()

    def test_left_out_by_the_configuration(self, monkeypatch, gptaudit, tmp_path):
        """`[plugins] disable` leaves out a plugin that clashes and one that is broken; an unknown one is an error."""
        install(monkeypatch, one=Everything(), two=Everything(), broken=ImportError("gone"))
        told = 'schema = "gptaudit.config/1"\nprobes = ["echo"]\ntarget = "scripted:x"\noutput = "out"\n'
        (tmp_path / "gptaudit.toml").write_text(told + '[plugins]\ndisable = ["two", "broken"]\n')
        (tmp_path / "wrong.toml").write_text(told + '[plugins]\ndisable = ["tow", "broken"]\n')
        ran, wrong = gptaudit("run", "-v"), gptaudit("run", "--config", "wrong.toml")

        assert ran.code == 0, ran.err
        assert "echo  scored" in ran.out
        assert gptaudit("run", "--without", "two", "--dry-run").code == 0
        assert wrong.code == 2
        assert "[plugins] disable: no plugin 'tow' is installed. Did you mean 'two'?" in wrong.err

    def test_unknown_hook(self, monkeypatch, gptaudit):
        """A hook that does not exist is an error that names plugin and hook."""

        class Wrong:
            @hookimpl
            def gptaudit_register_prbes(self, register):
                pass

        install(monkeypatch, wrong=Wrong())
        ran = gptaudit("list", "probes")

        assert ran.code == 2
        assert "'wrong'" in ran.err
        assert "gptaudit 0.1.0 has no hook 'gptaudit_register_prbes'. Did you mean" in ran.err
        assert "'gptaudit_register_probes'" in ran.err

    def test_the_marker_is_pluggy_s(self, monkeypatch, gptaudit, tmp_path):
        """`optionalhook`, `specname`, `tryfirst`, `trylast` and `wrapper` do what they do everywhere."""
        told = []

        class Marked:
            @hookimpl(optionalhook=True)
            def gptaudit_of_a_later_version(self):
                pass

            @hookimpl(specname="gptaudit_run_finished", trylast=True)
            def last(self, result):
                told.append("last")

        class Later:
            @hookimpl
            def gptaudit_run_finished(self, result):
                told.append("plain")

        class Latest:
            @hookimpl(tryfirst=True)
            def gptaudit_run_finished(self, result):
                told.append("first")

        class Around:
            @hookimpl(wrapper=True)
            def gptaudit_run_finished(self, result):
                told.append("(")
                yield
                told.append(")")

        install(monkeypatch, a=Marked(), b=Later(), c=Latest(), d=Around(), e=Everything())
        ran = gptaudit("run", "scripted:x", "-p", "echo", "-o", "out")

        assert ran.code == 0, ran.err
        assert told == ["(", "first", ")", "(", "plain", ")", "(", ")", "(", "last", ")"]

    def test_broken_import(self, monkeypatch, gptaudit):
        """A plugin that cannot be imported stops every command but `doctor`, until it is left out."""
        install(monkeypatch, broken=ImportError("no module named 'gone'"))
        stopped = gptaudit("list", "probes")
        without = gptaudit("list", "plugins", "--without", "broken")

        assert stopped.code == 2
        for word in ("'broken'", "dist-broken 3.1", "no module named 'gone'", "--without broken"):
            assert word in stopped.err
        assert without.code == 0
        assert "broken" not in without.out

    def test_import_that_leaves(self, monkeypatch, gptaudit):
        """A plugin that ends Python when it is imported does not pass for a passed audit."""
        install(monkeypatch, leaving=SystemExit(0))
        ran = gptaudit("list", "probes")

        assert ran.code == 2
        assert "'leaving'" in ran.err

    def test_registering_that_fails(self, monkeypatch, gptaudit):
        """A plugin that raises when it is asked for its probes is named."""

        class Failing:
            @hookimpl
            def gptaudit_register_probes(self, register):
                raise RuntimeError("out of probes")

        install(monkeypatch, failing=Failing())
        ran = gptaudit("list", "probes")

        assert ran.code == 2
        for word in ("'failing'", "out of probes", "--without failing"):
            assert word in ran.err

    def test_help_of_a_program_with_a_broken_plugin(self, monkeypatch, gptaudit):
        """The help is still there."""
        install(monkeypatch, broken=ImportError("no module named 'gone'"))

        assert gptaudit("--help").code == 0

    def test_without_an_unknown_plugin(self, monkeypatch, gptaudit):
        """Leaving out what is not installed is an error that lists what is."""
        install(monkeypatch, everything=Everything())
        ran = gptaudit("--without", "nothing", "list", "plugins")

        assert ran.code == 2
        assert "everything" in ran.err

    def test_bug_in_a_plugin(self, everything, gptaudit, monkeypatch, tmp_path):
        """A bug keeps its traceback in the run folder and exits 70."""
        monkeypatch.setattr(Echo, "measure", lambda self, answered: 1 / 0)
        ran = gptaudit("run", "scripted:x", "-p", "echo", "-o", "out")

        assert ran.code == 70
        assert "ZeroDivisionError" in (tmp_path / "out" / "traceback.txt").read_text()
        assert "traceback.txt" in ran.err

    def test_doctor_names_a_slow_import(self, monkeypatch, capsys):
        """A plugin for whose import every start waits is named with the time; others are not."""
        from gptaudit.commands.doctor import _plugins

        install(monkeypatch, quick=Scripted(), slow=Everything())
        plugins = load_plugins()
        plugins.seconds = {"quick": 0.1, "slow": 8.04}
        told = {line.split()[0]: line for line in _plugins(plugins, [])}

        assert told["slow"].endswith("; SLOW: every start waits 8.0 s for its import")
        assert "SLOW" not in told["quick"]

    def test_doctor_checks_plugins_by_the_kit(self, monkeypatch, tmp_path):
        """With `--plugins`, what third parties register is checked; what does not conform is told with the reason."""
        from gptaudit.commands.doctor import _conformance

        class Odd(Echo):
            id = "odd"

            def method(self):
                return {"sizes": (1, 2)}

        class Registering:
            @hookimpl
            def gptaudit_register_probes(self, register):
                register(Odd())

            @hookimpl
            def gptaudit_register_attacks(self, register):
                register(Attack("politely", "Says please.", lambda request, draw: f"Please. {request}"))

            @hookimpl
            def gptaudit_register_attributions(self, register):
                register(replace(occlusion, name="left-out"))

        occlusion = load_plugins().attributions["occlusion"]
        install(monkeypatch, odd=Registering())
        problems = []
        told = list(_conformance(load_plugins(), None, problems))

        assert told == [
            "odd: probe odd: DOES NOT CONFORM",
            "odd: attack politely: conforms",
            "odd: attribution left-out: conforms",
        ]
        assert "method(): expected the same value once it was written as JSON" in problems[0]

"""The program as a user meets it: exit codes, bad input, resuming."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import click
import pytest
from installed_plugins import install

from gptaudit import hookimpl
from gptaudit.causal_lm.backend import CausalLMBackend

HEAVY = ("torch", "transformers", "captum", "detoxify", "numpy", "scipy", "pydantic", "rich", "jinja2")

MODEL = """
def polite(prompts): return [" was calm and friendly today." for _ in prompts]
def failing(prompts): raise RuntimeError("the model is asleep")
def half(prompts): return [" was calm." if len(p) % 2 else "" for p in prompts]
"""

POLICY = 'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "toxicity-prompts.toxicity_probability"\n{limit}\n'


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "some_model.py").write_text(MODEL)
    monkeypatch.delitem(sys.modules, "some_model", raising=False)


@pytest.fixture
def policy(tmp_path):
    def write(limit):
        (tmp_path / "policy.toml").write_text(POLICY.format(limit=limit))
        return tmp_path / "policy.toml"

    return write


def imported(arguments, also=""):
    """Return which heavy packages a call of the program imports."""
    code = (
        f"import sys; {also}\nfrom gptaudit.cli import main\ntry:\n  main({arguments!r})\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()[-1]


class TestLightImport:
    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
    def test_help_is_light(self, arguments):
        """Help imports nothing heavy."""
        assert imported(arguments) == "[]"

    def test_the_check_can_fail(self):
        """The check above sees a heavy import where there is one."""
        assert imported(["--help"], also="import numpy") == "['numpy']"

    @pytest.mark.parametrize("things", ["probes", "backends", "scorers", "engines", "plugins"])
    def test_lists_do_not_load_models(self, things):
        """Listing needs neither torch nor transformers."""
        found = imported(["list", things])

        assert not {"torch", "transformers", "captum", "detoxify"} & set(json.loads(found.replace("'", '"')))


class TestHelp:
    def test_every_command_has_a_task(self):
        """Each command of our own stands under one heading, and no heading has another."""
        from gptaudit.cli import TASKS
        from gptaudit.plugins import COMMANDS

        named = [name for names in TASKS.values() for name in names]
        assert sorted(named) == sorted(module.rpartition(".")[2] for module in COMMANDS)

    def test_every_option_of_a_run_has_a_section(self):
        """Each option of `run` stands under one heading of its help."""
        from gptaudit.commands.run import SECTIONS, run

        options = sorted(p.name for p in run.params if isinstance(p, click.Option))
        assert sorted([*(name for names in SECTIONS.values() for name in names), "configuration"]) == options

    def test_commands_of_plugins_are_apart(self, gptaudit, monkeypatch):
        """A plugin's command is listed under a heading of its own."""

        class Greeter:
            @hookimpl
            def gptaudit_register_commands(self, register):
                register(click.Command("greet", help="Say hello."))

        install(monkeypatch, greeter=Greeter())

        assert re.search(r"^From plugins:\n +greet +Say hello\.$", gptaudit("--help").out, re.MULTILINE)


class TestExitCodes:
    def test_complete_without_a_policy(self, gptaudit, model):
        """An audit that was completed exits 0."""
        ran = gptaudit("run", "python:some_model:polite", "-p", "toxicity-prompts", "--limit", "5", "-v")

        assert ran.code == 0
        assert ran.err == "25 requests: about 180 tokens to read and at most 500 to write.\n"
        assert "5 of 5 cases" in ran.out

    def test_failed(self, gptaudit, tmp_path):
        """Evidence that a limit is exceeded exits 1 and says by how much."""
        ran = gptaudit(
            "run",
            "decoder:reference",
            "-p",
            "gender-occupation",
            "--limit",
            "300",
            "--policy",
            gender_policy(tmp_path),
        )

        assert ran.code == 1, ran.out + ran.err
        assert "Verdict: fail" in ran.out
        assert "lies above 60" in ran.out

    def test_inconclusive(self, gptaudit, model, policy):
        """Too few cases to decide exits 3, or 0 where the policy allows it."""
        arguments = (
            "python:some_model:polite",
            "-p",
            "toxicity-prompts",
            "--limit",
            "10",
            "--policy",
            policy("max = 0.05"),
        )
        strict = gptaudit("run", *arguments)
        policy("max = 0.05").write_text('inconclusive = "allow"\n' + POLICY.format(limit="max = 0.05"))
        lenient = gptaudit("run", *arguments)

        assert strict.code == 3
        assert "inconclusive" in strict.out
        assert lenient.code == 0

    @pytest.mark.parametrize("function", ["failing", "half"])
    @pytest.mark.parametrize("limit", [None, "max = 0.05"])
    def test_incomplete(self, gptaudit, model, policy, function, limit):
        """A model that fails, or says nothing half the time, is never passed: exit 4, policy or not."""
        extra = ("--policy", policy(limit)) if limit else ()
        ran = gptaudit(
            "run", f"python:some_model:{function}", "-p", "toxicity-prompts", "--limit", "8", *extra
        )

        assert ran.code == 4
        assert ("Fewer than 95\xa0% of the cases were scored in toxicity-prompts (" in ran.out) == (
            limit is None
        )
        if function == "failing":
            assert "the model is asleep" in ran.out

    def test_interrupted_and_resumed(self, gptaudit, model, monkeypatch, tmp_path):
        """Ctrl-C exits 130, keeps what was answered and says how to go on; the rest alone is asked again."""
        taken = []
        generate = CausalLMBackend.generate_continuously

        def interrupted(self, requests, *, seed):
            for number, answered in enumerate(generate(self, requests, seed=seed)):
                if number == 100:
                    raise KeyboardInterrupt
                taken.append(answered)
                yield answered

        arguments = ("run", "decoder:clean", "-p", "toxicity-prompts", "--limit", "60", "-o", "out")
        with monkeypatch.context() as patched:
            patched.setattr(CausalLMBackend, "generate_continuously", interrupted)
            stopped = gptaudit(*arguments)
        status = json.loads((tmp_path / "out" / "results.json").read_text())["run"]["status"]
        resumed = gptaudit(*arguments)
        whole = gptaudit(*arguments[:-1], "whole")

        assert (stopped.code, status) == (130, "interrupted")
        assert "-o out" in stopped.err
        assert resumed.code == 0
        results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("out", "whole")]
        assert results[0]["run"]["cost"]["requests_cached"] == len(taken) == 100
        assert results[0]["probes"] == results[1]["probes"]
        assert whole.code == 0

    @pytest.mark.parametrize(
        "budget", [("--max-requests", 200), ("--max-tokens", 900), ("--max-seconds", 0.01)]
    )
    def test_a_spent_budget_is_no_pass(self, gptaudit, tmp_path, budget):
        """A budget ends the run cleanly: a partial report, exit 4, and the next run goes on from there."""
        arguments = ("run", "decoder:clean", "-p", "gender-occupation", "--limit", "300", "-o", "out")
        stopped = gptaudit(*arguments, *budget, "--policy", gender_policy(tmp_path))
        partial = json.loads((tmp_path / "out" / "results.json").read_text())
        went_on = gptaudit(*arguments)
        whole = json.loads((tmp_path / "out" / "results.json").read_text())

        assert (stopped.code, partial["run"]["status"]) == (4, "partial")
        assert "-o out" in stopped.err
        assert 0 < partial["probes"][0]["unscored"]["not-asked"] <= 300
        assert (went_on.code, whole["run"]["status"]) == (0, "complete")
        assert whole["run"]["cost"]["requests_cached"] == partial["run"]["cost"]["requests"]
        if budget[0] == "--max-requests":
            assert partial["run"]["cost"]["requests"] == 200


def gender_policy(tmp_path):
    path = tmp_path / "gender.toml"
    path.write_text(
        'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "gender-occupation.stereotype_probability"\n'
        "ideal = 0.5\ntolerance = 0.1\n"
    )
    return path


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["run", "decoder"], "expected SCHEME:REST"),
            (["run", "decodr:reference"], "unknown scheme 'decodr'. Did you mean 'decoder'?"),
            (["run", "decoder:referense"], "expected reference, clean or a folder"),
            (["run", "hf:./nothing"], "no such folder"),
            (["run", "-p", "gender-ocupation"], "Did you mean 'gender-occupation'"),
            (["run", "-s", "biass"], "Did you mean 'bias'"),
            (["run", "-b", "dtipe=float32"], "Did you mean 'dtype' or 'date'?"),
            (["run", "-b", "dtype=float31"], "key 'dtype'"),
            (["run", "-b", "dtype"], "expected KEY=VALUE"),
            (["run", "-b", "batch_tokens=many"], "key 'batch_tokens'"),
            (["run", "--limit", "0"], "--limit"),
            (["run", "--engine", "locl"], "Did you mean 'local'?"),
            (["run", "--report", "htlm"], "--report htlm: no such reporter"),
            (["run", "--scorer", "detoxfy=bundled"], "Did you mean 'detoxify'?"),
            (["run", "--scorer", "detoxify=unbiassed"], "Did you mean 'unbiased'"),
            (["run", "--data", "nowhere"], "--data nowhere: no such folder"),
            (["run", "-p", "crows-pairs"], "--data DIR or GPTAUDIT_DATA"),
            (["run", "--policy", "nowhere.toml"], "nowhere.toml: cannot be read"),
            (["run", "--baseline", "nowhere.json"], "nowhere.json: cannot be read"),
            (["run", "-o", "/proc/nothing/here"], "cannot be written"),
            (["gate", "nowhere.json", "--policy", "default"], "nowhere.json: cannot be read"),
            (["report", "nowhere.json"], "nowhere.json: cannot be read"),
            (["list", "probs"], "probs"),
            (["rnu"], "rnu"),
        ],
    )
    def test_one_message_and_exit_2(self, gptaudit, arguments, message):
        """A mistake of the user exits 2 with one message that names the place, and no traceback."""
        ran = gptaudit(*arguments)

        assert ran.code == 2
        assert message in ran.err
        assert "Traceback" not in ran.err

    def test_folder_of_another_audit(self, gptaudit, model):
        """A folder that holds another audit is refused; --fresh starts over in it."""
        arguments = ("run", "python:some_model:polite", "-p", "toxicity-prompts", "--limit", "3", "-o", "out")
        assert gptaudit(*arguments).code == 0
        other = gptaudit(*arguments, "--seed", "1")
        fresh = gptaudit(*arguments, "--seed", "1", "--fresh")

        assert other.code == 2
        assert "holds another audit" in other.err
        assert fresh.code == 0

    def test_fresh_with_a_bad_target_loses_nothing(self, gptaudit, model, tmp_path):
        """--fresh drops the old audit only once the new one can begin."""
        arguments = ("-p", "toxicity-prompts", "--limit", "3", "-o", "out")
        assert gptaudit("run", "python:some_model:polite", *arguments).code == 0
        before = (tmp_path / "out" / "results.json").read_text()
        failed = gptaudit("run", "python:some_model:politte", *arguments, "--fresh")

        assert failed.code == 2
        assert (tmp_path / "out" / "results.json").read_text() == before

    def test_a_bad_target_leaves_no_folder(self, gptaudit, tmp_path):
        """A run that could not begin leaves nothing behind."""
        assert gptaudit("run", "hf:./nothing", "-o", "out").code == 2
        assert not (tmp_path / "out").exists()

    def test_a_missing_scorer_shows_before_the_model_is_asked(self, gptaudit, tmp_path, monkeypatch):
        """A scorer whose model is missing stops the run at once, with the remedy."""
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        (tmp_path / "never_asked.py").write_text("def complete(prompts): raise AssertionError('asked')")
        ran = gptaudit(
            "run", "python:never_asked:complete", "-p", "toxicity-prompts", "--scorer", "detoxify=unbiased"
        )

        assert ran.code == 2
        assert "use the model 'bundled'" in ran.err

    def test_dry_run_asks_nothing(self, gptaudit, tmp_path):
        """--dry-run says what would be asked, and why a probe is left out; it leaves no folder."""
        (tmp_path / "never_asked.py").write_text("def complete(prompts): raise AssertionError('asked')")
        ran = gptaudit("run", "python:never_asked:complete", "--dry-run", "--limit", "5", "-o", "out")

        assert (ran.code, ran.err) == (0, "")
        assert re.search(r"^toxicity-prompts +25 +180 +500$", ran.out, re.MULTILINE)
        assert "Not asked: token-attribution: needs gradients, which" in ran.out
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "audits").exists()

    def test_dry_run_refuses_what_a_run_refuses(self, gptaudit, tmp_path):
        """A policy, a probe or a target that does not fit is refused without asking."""
        path = tmp_path / "p.toml"
        path.write_text(POLICY.format(limit="max = 0.1"))
        ran = gptaudit("run", "decoder:clean", "-p", "age", "--policy", path, "--dry-run")

        assert ran.code == 2
        assert "toxicity-prompts" in ran.err

    def test_metric_that_the_run_lacks(self, gptaudit, model, tmp_path):
        """A policy that names what was not measured is an error, not a pass."""
        path = tmp_path / "p.toml"
        path.write_text(
            POLICY.format(limit="max = 0.1").replace("toxicity_probability", "toxicity_probabilty")
        )
        ran = gptaudit(
            "run", "python:some_model:polite", "-p", "toxicity-prompts", "--limit", "3", "--policy", path
        )

        assert ran.code == 2
        assert "toxicity_probability" in ran.err

    @pytest.mark.parametrize(
        ("metric", "limit", "baseline", "message"),
        [
            ("[group=velmary]", "max = 0.1", False, "has group=velmary. Did you mean 'group=velmari'"),
            ("[people=*]", "max = 0.1", False, "no case of 'toxicity-prompts' has people=*"),
            ("", "max_increase = 0.1", False, "give its results with --baseline"),
            ("", "max_increase = 0.1", True, "the baseline holds no probe 'toxicity-prompts'"),
        ],
    )
    def test_what_no_answer_could_decide(self, gptaudit, tmp_path, metric, limit, baseline, message):
        """A rule on a slice that no case belongs to, or without its baseline, is refused before the model is asked."""
        (tmp_path / "unasked.py").write_text(
            "def say_a(prompts): return ['A'] * len(prompts)\n"
            "def complete(prompts): open('asked', 'w'); return prompts\n"
        )
        path = tmp_path / "p.toml"
        path.write_text(POLICY.format(limit=limit).replace("ability", f"ability{metric}"))
        extra = ["--policy", path, "-p", "toxicity-prompts"]
        if baseline:
            assert (
                gptaudit(
                    "run", "python:unasked:say_a", "-p", "canary-extraction", "--limit", "2", "-o", "old"
                ).code
                == 0
            )
            extra += ["--baseline", tmp_path / "old" / "results.json"]
        ran = gptaudit("run", "python:unasked:complete", *extra)

        assert ran.code == 2
        assert message in ran.err
        assert not (tmp_path / "asked").exists()

    def test_a_baseline_of_other_cases_loses_no_answer(self, gptaudit, model, policy, tmp_path):
        """The audit that cannot be compared is kept whole, and the message says how to decide about it."""
        arguments = ("run", "python:some_model:polite", "-p", "toxicity-prompts", "--limit")
        gptaudit(*arguments, "4", "-o", "old")
        rule, old = policy("max_increase = 0.1"), tmp_path / "old" / "results.json"
        ran = gptaudit(*arguments, "5", "-o", "new", "--policy", rule, "--baseline", old)
        again = gptaudit("gate", tmp_path / "new" / "results.json", "--policy", policy("max = 0.9"))

        assert ran.code == 2
        assert "but cases differ" in ran.err
        assert "gptaudit gate new/results.json --policy FILE" in ran.err
        assert again.code in (0, 3), again.err

    def test_coverage_of_a_slice_counts(self, gptaudit, tmp_path):
        """A group whose cases failed is incomplete, though the probe as a whole is covered."""
        (tmp_path / "picky.py").write_text(
            "def complete(prompts): return [None if 'Velmari' in p and len(p) > 40 else ' was calm.' for p in prompts]"
        )
        path = tmp_path / "p.toml"
        path.write_text(
            "coverage = 0.9\n" + POLICY.format(limit="max = 0.9").replace("ability", "ability[group=velmari]")
        )
        ran = gptaudit("run", "python:picky:complete", "-p", "toxicity-prompts", "--policy", path)

        assert ran.code == 4, ran.out
        assert "cases were scored; the policy asks for 90\xa0%" in ran.out

    def test_secrets_are_not_published(self, gptaudit, model, tmp_path, monkeypatch):
        """What looks like a key on the command line is not in the results."""
        monkeypatch.setattr(sys, "argv", ["gptaudit", "run", "-b", "api_key=hunter2"])
        gptaudit("run", "python:some_model:polite", "-p", "toxicity-prompts", "--limit", "2", "-o", "out")

        assert "hunter2" not in (tmp_path / "out" / "results.json").read_text()

    def test_message_does_not_steer_the_terminal(self, gptaudit):
        """Control characters of an argument are not echoed."""
        assert "\x1b" not in gptaudit("run", "decoder:\x1b[2J").err


class TestDoctor:
    def test_names_what_is_here_and_what_is_missing(self, gptaudit):
        """Versions, plugins with what they register, data sets and models are all named."""
        ran = gptaudit("doctor")

        assert ran.code == 0, ran.err
        for word in (
            "torch",
            "gptaudit.probes",
            "probe gender-occupation",
            "crows-pairs: missing",
            "decoder:clean: loads",
        ):
            assert word in ran.out
        assert "toxicity bundled: loads" in ran.out


def test_the_decoder_is_a_model_in_hugging_face_format(gptaudit, tmp_path):
    """`hf:` opens the bundled decoder's folder, and finds the same figures as `decoder:`."""
    from gptaudit.decoder import decoder_folder

    found = []
    for target in ("decoder:clean", f"hf:{decoder_folder('clean')}"):
        folder = tmp_path / target[:2]
        ran = gptaudit("run", target, "-p", "gender-occupation", "--limit", "60", "-o", folder)
        assert ran.code == 0, ran.err
        found.append(json.loads((folder / "results.json").read_text()))

    assert found[0]["probes"][0]["metrics"] == found[1]["probes"][0]["metrics"]
    assert found[0]["target"]["fingerprint"] == found[1]["target"]["fingerprint"]


def test_every_report_is_written(gptaudit, tmp_path):
    """The formats asked for lie beside report.html, results.json and the evidence; `report` writes them again."""
    arguments = ("-p", "gender-occupation", "--limit", "60", "-o", "out")
    files = {
        "junit": "junit.xml",
        "markdown": "summary.md",
        "csv": "figures.csv",
        "cyclonedx": "bom.cdx.json",
        "every-eval-ever": "every_eval_ever.json",
        "model-card": "model_card.md",
        "sarif": "results.sarif",
    }
    asked = [option for name in files for option in ("--report", name)]
    ran = gptaudit("run", "decoder:clean", *arguments, *asked)
    names = {"report.html", "results.json", "evidence.sqlite", *files.values()}

    assert ran.code == 0, ran.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    again = gptaudit("report", "out/results.json", "--report", "html", *asked, "-o", "again")
    assert again.code == 0, again.err
    for name in ("report.html", *files.values()):
        assert (tmp_path / "again" / name).read_text() == (tmp_path / "out" / name).read_text()


def test_every_preset_can_be_chosen(gptaudit):
    """The presets that `decoder train` offers are those that there are."""
    from gptaudit.decoder.training import PRESETS

    assert f"--preset [{'|'.join(PRESETS)}]" in gptaudit("decoder", "train", "--help").out

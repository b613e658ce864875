"""`gptaudit.toml`: the same audit as by flags, flags override it, and errors name the place and the remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from threading import Thread

import pytest

from gptaudit.commands.run import run
from gptaudit.errors import GptauditError
from gptaudit.records.progress import silent
from gptaudit.run.configuration import Configuration

SCHEMA = 'schema = "gptaudit.config/1"\n'

POLICY = 'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "bbq.accuracy_gap"\nmax = {limit}\n'

FILE = {
    "target": '"hf:./model"',
    "suites": '["bias"]',
    "probes": '["bbq", "winobias"]',
    "excluded": '["honest"]',
    "attacks": '["base64"]',
    "data": '"sets"',
    "secrets": '"own.tsv"',
    "limit": "3",
    "seed": "4",
    "policy": '"a.toml"',
    "baseline": '"a.json"',
    "output": '"a"',
    "reports": '["junit"]',
    "lang": '"zh"',
    "engine": '"local"',
    "cache": '"kept"',
    "max_requests": "5",
    "max_tokens": "6",
    "max_seconds": "7.5",
    "elicited": "true",
    "until": '"decided"',
    "quiet": "true",
    "verbose": "true",
    "fresh": "true",
    "options": '{dtype = "float16", chat = true, batch_tokens = 8, backoff = 0.5}',
    "scorers": '{detoxify = "bundled", mine = "./model"}',
    "probe_options": "{toxicity-prompts = {samples = 3}}",
}
SAME = {
    "target": ["hf:./model"],
    "suites": ["-s", "bias"],
    "probes": ["-p", "bbq", "-p", "winobias"],
    "excluded": ["--except", "honest"],
    "attacks": ["--attack", "base64"],
    "data": ["--data", "sets"],
    "secrets": ["--secret", "own.tsv"],
    "limit": ["--limit", "3"],
    "seed": ["--seed", "4"],
    "policy": ["--policy", "a.toml"],
    "baseline": ["--baseline", "a.json"],
    "output": ["-o", "a"],
    "reports": ["--report", "junit"],
    "lang": ["--lang", "zh"],
    "engine": ["--engine", "local"],
    "cache": ["--cache", "kept"],
    "max_requests": ["--max-requests", "5"],
    "max_tokens": ["--max-tokens", "6"],
    "max_seconds": ["--max-seconds", "7.5"],
    "elicited": ["--elicited"],
    "until": ["--until", "decided"],
    "quiet": ["--quiet"],
    "verbose": ["--verbose"],
    "fresh": ["--fresh"],
    "options": ["-b", "dtype=float16", "-b", "chat=true", "-b", "batch_tokens=8", "-b", "backoff=0.5"],
    "scorers": ["--scorer", "detoxify=bundled", "--scorer", "mine=./model"],
    "probe_options": ["-P", "toxicity-prompts.samples=3"],
}
OTHER = {
    "target": ["decoder:clean"],
    "excluded": ["--except", "bold"],
    "attacks": ["--attack", "rot13"],
    "data": ["--data", "."],
    "secrets": ["--secret", "b.tsv"],
    "limit": ["--limit", "30"],
    "seed": ["--seed", "0"],
    "policy": ["--policy", "default"],
    "baseline": ["--baseline", "b.json"],
    "output": ["-o", "b"],
    "reports": ["--report", "markdown"],
    "lang": ["--lang", "en"],
    "engine": ["--engine", "other"],
    "cache": ["--cache", "b"],
    "max_requests": ["--max-requests", "50"],
    "max_tokens": ["--max-tokens", "60"],
    "max_seconds": ["--max-seconds", "75"],
    "elicited": ["--no-elicited"],
    "until": ["--until", "all"],
    "quiet": ["--no-quiet"],
    "verbose": ["--no-verbose"],
    "fresh": ["--no-fresh"],
}
"""What a flag says instead; -s, -p, -b and --scorer have tests of their own."""


class BeforeModelError(GptauditError):
    """Ends a run before the model is opened."""


@pytest.fixture
def settled(gptaudit, monkeypatch, tmp_path):
    """Return a function that returns the settings of a call of `gptaudit run`, without running the audit."""
    found = []

    def stop(settings, plugins, progress, tell_plan):
        found.append(replace(settings, command=(), configuration={}))
        call.quiet = progress is silent
        raise BeforeModelError

    def call(*arguments, file=None, at="gptaudit.toml"):
        if file is not None:
            (tmp_path / at).parent.mkdir(exist_ok=True)
            (tmp_path / at).write_text(SCHEMA + file)
        else:
            (tmp_path / at).unlink(missing_ok=True)
        found.clear()
        ran = gptaudit("run", *arguments)
        assert len(found) == 1, ran.err
        return found[0]

    monkeypatch.setattr("gptaudit.run.audit.run_audit", stop)
    monkeypatch.setattr("gptaudit.run.settings.default_folder", lambda target: Path("audits", target))
    (tmp_path / "sets").mkdir()
    (tmp_path / "a.toml").write_text(POLICY.format(limit=0.1))
    return call


def toml(keys):
    return "".join(f"{key} = {FILE[key]}\n" for key in keys)


def flags(keys, other=None):
    return [word for key in keys for word in (OTHER if key == other else SAME)[key]]


class TestSameAsFlags:
    def test_all_that_run_takes_can_stand_there(self):
        """The keys are the parameters of an audit, and these tests cover all of them."""
        parameters = {parameter.name for parameter in run.params} - {"configuration", "dry_run"}

        assert (
            parameters == {field.name for field in fields(Configuration)} - {"schema", "plugins"} == set(FILE)
        )
        assert parameters == set(SAME) == {*OTHER, "suites", "probes", "options", "scorers", "probe_options"}

    @pytest.mark.parametrize("key", [*FILE])
    def test_a_key_is_its_flag(self, settled, key):
        """A key of the file has the same effect as its flag."""
        by_file = settled(file=toml([key]))

        assert by_file == settled(*flags([key]))
        if key not in {"engine", "quiet", "verbose"}:  # the default, and what decides nothing
            assert by_file != settled()

    def test_a_whole_file_is_all_flags(self, settled):
        """All keys together have the same effect as all flags."""
        assert settled(file=toml(FILE)) == settled(*flags(FILE))

    def test_what_init_writes_changes_nothing(self, settled, gptaudit, tmp_path):
        """With the file of `gptaudit init`, the settings are the same as without a file."""
        assert gptaudit("init", "-o", "fresh.toml").code == 0

        assert settled("--config", "fresh.toml") == settled()

    def test_a_pipe_can_hold_it(self, settled, tmp_path):
        """The file is read once, so it may be a pipe."""
        os.mkfifo(tmp_path / "pipe")
        writer = Thread(target=(tmp_path / "pipe").write_text, args=(SCHEMA + toml(["limit"]),), daemon=True)
        writer.start()

        assert settled("--config", "pipe").limit == 3


class TestFlagsWin:
    @pytest.mark.parametrize("key", [*OTHER])
    def test_over_the_file(self, settled, key):
        """A flag overrides its key in the file, and no other."""
        assert settled(*OTHER[key], file=toml(FILE)) == settled(*flags(FILE, other=key))

    @pytest.mark.parametrize("option", [("-b", "options"), ("--scorer", "scorers")])
    def test_pairs_merge_key_by_key(self, settled, option):
        """A pair on the command line overrides the file's pair of the same key, and keeps its others."""
        flag, name = option
        found = settled(flag, "a=2", flag, "b=3", file=f'[{name}]\na = 1\nc = "x=y"\n')

        assert getattr(found, name) == {"a": "2", "b": "3", "c": "x=y"}

    @pytest.mark.parametrize(
        ("given", "chosen"),
        [
            ((), (("bias",), ("bbq", "winobias"), ("honest",))),
            (("-p", "stereoset"), ((), ("stereoset",), ())),
            (("-s", "toxicity"), (("toxicity",), (), ())),
            (("-s", "toxicity", "-p", "bbq"), (("toxicity",), ("bbq",), ())),
            (("-s", "toxicity", "--except", "bold"), (("toxicity",), (), ("bold",))),
            (("--except", "bold"), (("bias",), ("bbq", "winobias"), ("bold",))),
        ],
    )
    def test_what_is_chosen_is_chosen_whole(self, settled, given, chosen):
        """-s or -p replaces the suites, the probes and the excluded of the file."""
        found = settled(*given, file=toml(["suites", "probes", "excluded"]))

        assert (found.suites, found.probes, found.excluded) == chosen

    def test_entries_of_a_mapping(self, settled):
        """A dotted key sets one entry of an option that is a mapping."""
        found = settled(file="[options]\nchat = true\ntemplate.enable_thinking = false\n")

        assert found.options == {"chat": "true", "template.enable_thinking": "false"}

    def test_over_quiet(self, settled):
        """--quiet and --no-quiet override `quiet` in the file."""
        shown = [
            settled(*given, file=text) and settled.quiet
            for given, text in [
                ((), None),
                ((), "quiet = true\n"),
                (("--no-quiet",), "quiet = true\n"),
                (("--quiet",), "quiet = false\n"),
            ]
        ]

        assert shown == [False, True, False, True]

    def test_the_environment_wins_over_the_file(self, settled, tmp_path, monkeypatch):
        """GPTAUDIT_DATA overrides the file, and the command line overrides both."""
        monkeypatch.setenv("GPTAUDIT_DATA", str(tmp_path))

        assert settled(file=toml(["data"])).data == tmp_path
        assert settled("--data", "sets", file=toml(["data"])).data == Path("sets")


class TestPaths:
    def test_begin_at_the_file(self, settled, tmp_path):
        """Relative paths in a file start at its folder, those on the command line at the working folder."""
        (tmp_path / "ci" / "sets").mkdir(parents=True)
        (tmp_path / "ci" / "a.toml").write_text(POLICY.format(limit=0.7))
        arguments = ("--config", "ci/audit.toml")
        found = settled(*arguments, "--cache", "here", file=toml(FILE), at="ci/audit.toml")

        assert [found.data, found.baseline, found.folder, found.cache] == [
            *map(Path, ("ci/sets", "ci/a.json", "ci/a", "here"))
        ]
        assert found.policy.rule[0].max == 0.7
        assert Path(found.target.removeprefix("hf:")) == Path("ci/model")
        assert Path(found.scorers["mine"]) == Path("ci/model")
        assert found.scorers["detoxify"] == "bundled"

    @pytest.mark.parametrize(
        "target", ["decoder:reference", "hf:gpt2", "hf:org/name", "python:mine:complete"]
    )
    def test_names_are_no_paths(self, settled, target):
        """A value that may be a name is not changed, and neither is the policy `default`."""
        text = f'target = "{target}"\npolicy = "default"\n'
        found = settled("--config", "ci/a.toml", file=text, at="ci/a.toml")

        assert found.target == target
        assert found.policy.name == "default_policy.toml"

    def test_absolute_and_home(self, settled, tmp_path, monkeypatch):
        """Absolute paths are kept, and ~ is expanded to the user's home, since no shell does it."""
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        text = f'output = "{tmp_path}/out"\ncache = "~/answers"\n'
        found = settled("--config", "ci/a.toml", file=text, at="ci/a.toml")

        assert found.folder == tmp_path / "out"
        assert found.cache == tmp_path / "home" / "answers"


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "messages"),
        [
            ('suite = ["bias"]', ["unknown key 'suite'", "Did you mean 'suites'"]),
            ("max-tokens = 5", ["unknown key 'max-tokens'", "Did you mean 'max_tokens'"]),
            ('limit = "10"', ["key 'limit'", "integer", "'10'"]),
            ("limit = 0", ["key 'limit'", "greater than or equal to 1"]),
            ("limit = true", ["key 'limit'", "integer"]),
            ("max_seconds = nan", ["key 'max_seconds'"]),
            ("max_seconds = inf", ["key 'max_seconds'", "finite"]),
            ("seed = -1", ["key 'seed'", "greater than or equal to 0"]),
            ('quiet = "no"', ["key 'quiet'", "boolean"]),
            ('probes = "bbq"', ["key 'probes'", "list"]),
            ("probes = []", ["key 'probes'", "at least 1"]),
            ('probes = ["bbq", 3]', ["key 'probes[2]'", "string"]),
            ('policy = ""', ["key 'policy'", "at least 1 character"]),
            ('policy = ["a.toml"]', ["key 'policy'", "string"]),
            ('cache = "~nobody-of-this-name/x"', ["key 'cache'", "write the path in full"]),
            ('options = ["dtype=float16"]', ["key 'options'", "dictionary"]),
            ("[options]\ndtype = [1]", ["key 'options.dtype'", "expected text, a number, true or false"]),
            ("[options]\nsince = 2020-01-01", ["key 'options.since'"]),
            ("[options.deeper.still]\na = 1", ["key 'options.deeper.still'"]),
            ('target = "a"\ntarget = "b"\n', ["expected TOML", "line 3"]),
            ("target = decoder:reference", ["expected TOML", "line 2"]),
        ],
    )
    def test_one_sentence_with_place_and_remedy(self, gptaudit, tmp_path, text, messages):
        """A mistake exits 2 and names the file, the key and what was expected, before anything is opened."""
        (tmp_path / "gptaudit.toml").write_text(SCHEMA + text)
        ran = gptaudit("run")

        assert ran.code == 2
        for message in ("gptaudit.toml", *messages):
            assert message in ran.err
        assert "Traceback" not in ran.err
        assert not (tmp_path / "audits").exists()

    @pytest.mark.parametrize("schema", ["", 'schema = "gptaudit.config/2"', 'schema = "gptaudit.policy/1"'])
    def test_another_schema(self, gptaudit, tmp_path, schema):
        """A file with another schema is an error that says which line to write and how to ignore the file."""
        (tmp_path / "gptaudit.toml").write_text(f"{schema}\nsuites = 3\n")
        ran = gptaudit("run")

        assert ran.code == 2
        for message in ("gptaudit.toml", "schema = 'gptaudit.config/1'", "--config none"):
            assert message in ran.err

    @pytest.mark.parametrize(
        "text",
        [
            'api_key = "hunter2"',
            '[options]\napi_key = "hunter2"',
            '[options]\napikey = "hunter2"',
            '[options]\nOPENAI_API_KEY = "hunter2"',
            '[scorers]\nhub-token = "hunter2"',
            '[options.deeper]\npassword = "hunter2"',
            'suites = [{secret = "hunter2"}]',
        ],
    )
    def test_secrets_are_refused_and_not_shown(self, gptaudit, tmp_path, text):
        """A key that names a secret is an error with the remedy, and its value is not printed."""
        (tmp_path / "gptaudit.toml").write_text(SCHEMA + text)
        ran = gptaudit("run")

        assert ran.code == 2
        assert "this file must not contain a secret" in ran.err
        assert "OPENAI_API_KEY, or name the file" in ran.err
        assert "hunter2" not in ran.err + ran.out

    def test_a_file_with_the_secret_may_be_named(self, settled):
        """The remedy of that message is accepted."""
        found = settled(file='[options]\napi_key_file = "../key"\n')

        assert found.options == {"api_key_file": "../key"}

    def test_unreadable(self, gptaudit, tmp_path):
        """A file that is missing, a folder, a dangling link or not UTF-8 exits 2; it is never ignored."""
        (tmp_path / "folder").mkdir()
        (tmp_path / "latin.toml").write_bytes(SCHEMA.encode() + b'target = "caf\xe9"')
        (tmp_path / "gptaudit.toml").symlink_to("nowhere.toml")
        for name, why in [
            ("nowhere.toml", "cannot be read"),
            ("folder", "cannot be read"),
            ("latin.toml", "UTF-8"),
        ]:
            ran = gptaudit("run", "--config", name)
            assert (ran.code, name in ran.err, why in ran.err) == (2, True, True)
        dangling = gptaudit("run")
        assert (dangling.code, "gptaudit.toml: cannot be read" in dangling.err) == (2, True)

    def test_an_empty_policy_is_no_pass(self, gptaudit):
        """`--policy "$UNSET"` is an error, not an audit without a decision."""
        assert gptaudit("run", "--policy", "").code == 2


class TestNeverSilent:
    @pytest.fixture
    def audited(self, gptaudit, tmp_path, monkeypatch):
        (tmp_path / "calm.py").write_text("def complete(prompts): return [' was calm.' for _ in prompts]")
        monkeypatch.delitem(sys.modules, "calm", raising=False)

        def call(*arguments):
            ran = gptaudit(
                "run", *arguments, "-p", "toxicity-prompts", "--limit", "2", "-o", "out", "--fresh"
            )
            return ran, json.loads((tmp_path / "out" / "results.json").read_text())["run"]["environment"]

        return call

    def test_said_and_recorded(self, audited, tmp_path):
        """The file is named in one line on standard error, and in the results with its sha256."""
        text = SCHEMA + 'target = "python:calm:complete"\n'
        (tmp_path / "gptaudit.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        ran, environment = audited("--quiet")

        assert ran.code == 0, ran.err
        assert ran.err.splitlines() == ["Settings from gptaudit.toml: target. Flags override them."]
        assert environment["configuration"] == "gptaudit.toml"
        content = (tmp_path / "gptaudit.toml").read_bytes()
        assert environment["configuration_sha256"] == sha256(content).hexdigest()

    def test_none_reads_none(self, audited, tmp_path):
        """With --config none, or without a file, nothing is read, printed or recorded."""
        (tmp_path / "gptaudit.toml").write_text("broken")
        left, without = audited("python:calm:complete", "--config", "none")
        (tmp_path / "gptaudit.toml").unlink()
        plain, never = audited("python:calm:complete")

        assert (left.code, plain.code) == (0, 0)
        assert "Settings from" not in left.err + plain.err
        assert without == never
        assert "configuration" not in never

    def test_help_reads_no_file(self, tmp_path):
        """Help works in a folder with a broken file, and imports nothing heavy."""
        (tmp_path / "gptaudit.toml").write_text("broken")
        code = (
            "import sys\nfrom gptaudit.cli import main\ntry:\n  main(['run', '--help'])\n"
            "except SystemExit as end: print(end.code, 'pydantic' in sys.modules)"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
        )

        assert ran.stdout.splitlines()[-1] == "0 False"
        assert ran.stderr == ""

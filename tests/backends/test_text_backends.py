"""Functions and recordings as models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from typing import ClassVar

import pytest

from gptaudit.backends.python import open_python
from gptaudit.backends.python_sources import sources
from gptaudit.backends.replay import open_replay
from gptaudit.errors import BackendError, BackendLostError, TargetError
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext, forms_of
from gptaudit.protocols.options import ChatOptions
from gptaudit.records import Completion, Failure, GenerateRequest
from gptaudit.run.sampling import sample

REQUESTS = [GenerateRequest("one"), GenerateRequest("two")]

MODULE = """
from gptaudit import BackendLostError
def good(prompts): return [p.upper() for p in prompts]
def short(prompts): return ["x"]
def text(prompts): return "x"
def mixed(prompts): return [None, 3]
def raising(prompts): raise ValueError("out of order")
def leaving(prompts): raise SystemExit(0)
def gone(prompts): raise BackendLostError("the model is gone")
constant = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"model_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


class TestPython:
    def test_completions_are_the_function_s(self, module):
        """The function gets the prompts and its strings are the completions."""
        backend = open_python(f"{module}:good", ChatOptions())

        assert [a.text for a in backend.generate(REQUESTS, seed=0)] == ["ONE", "TWO"]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("short", "must return one completion a prompt: 2, returned 1"),
            ("text", "must return a list of 2 strings, returned str"),
            ("raising", "raised ValueError: out of order"),
            ("leaving", "raised SystemExit"),
        ],
    )
    def test_call_that_fails(self, module, name, message):
        """A call that cannot be used is a backend error that says why."""
        with pytest.raises(BackendError, match=message):
            open_python(f"{module}:{name}", ChatOptions()).generate(REQUESTS, seed=0)

    def test_the_end_of_the_model(self, module):
        """A function may say that nothing more can be asked: it is no failure of the prompts that it was given."""
        with pytest.raises(BackendLostError, match=r"^the model is gone$"):
            open_python(f"{module}:gone", ChatOptions()).generate(REQUESTS, seed=0)

    def test_single_answers_that_fail(self, module):
        """None and other things in the list fail alone."""
        none, number = open_python(f"{module}:mixed", ChatOptions()).generate(REQUESTS, seed=0)

        assert none.reason == "no-answer"
        assert number.reason == "backend-error"
        assert "int" in number.message

    def test_module_that_leaves(self, tmp_path, monkeypatch):
        """A script that ends Python when it is imported does not end the audit as if it had passed."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "script_that_leaves.py").write_text("import sys; sys.exit(0)")
        with pytest.raises(TargetError, match="SystemExit"):
            open_python("script_that_leaves:f", ChatOptions())

    @pytest.mark.parametrize(
        ("rest", "message"),
        [
            ("only_a_module", "expected python:MODULE:CALLABLE"),
            ("no_such_module_here:f", "cannot be imported"),
            ("{module}:nothing", "found nothing of that name"),
            ("{module}:constant", "found int, which cannot be called"),
        ],
    )
    def test_refused(self, module, rest, message):
        """What is no function is refused with the reason."""
        with pytest.raises(TargetError, match=message):
            open_python(rest.format(module=module), ChatOptions())


def print_of(folder, rest):
    """The fingerprint of a function, in a process of its own, as each run of the program has it."""
    program = (
        "import sys; from gptaudit.backends.python import open_python; "
        "from gptaudit.protocols.options import ChatOptions; "
        "print(open_python(sys.argv[1], ChatOptions()).fingerprint)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, rest], cwd=folder, capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


class TestIdentityOfAFunction:
    FILES: ClassVar = {
        "mine.py": "import helper\nfrom parts import one\ndef f(prompts):\n    import late\n    return late.g(prompts)",
        "helper.py": "import json, parts.deep.more",
        "late.py": "g = list",
        "parts/__init__.py": "from . import two",
        "parts/one.py": "",
        "parts/two.py": "from .deep.more import x",
        "parts/deep/more.py": "x = 1",
        "stranger.py": "",
        "parts/stranger.py": "",
    }

    @pytest.fixture
    def folder(self, tmp_path):
        for name, content in self.FILES.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        return tmp_path

    @pytest.mark.parametrize("name", FILES)
    def test_what_it_imports_nearby_counts(self, folder, name):
        """A line in a module that it imports, also within a function or through a package, makes another model."""
        before = print_of(folder, "mine:f")
        with (folder / name).open("a") as file:
            file.write("\n# changed\n")
        assert (print_of(folder, "mine:f") != before) == ("stranger" not in name)

    def test_a_module_within_a_package(self, folder):
        """The packages around it run before it, and count."""
        (folder / "parts" / "one.py").write_text("def f(prompts): return prompts")
        before = print_of(folder, "parts.one:f")
        (folder / "parts" / "deep" / "more.py").write_text("x = 2")
        assert print_of(folder, "parts.one:f") != before

    def test_a_function_from_an_installed_distribution(self, folder):
        """All that belongs to the distribution is followed, and nothing of others; the module's own folder is too."""
        (folder / "mine.py").write_text("from click import echo as f")
        import_module("click")
        files = sources("click")

        assert {"click", "click.core", "click._compat"} <= files.keys()
        assert {name.partition(".")[0] for name in files} == {"click"}
        assert print_of(folder, "mine:f") != print_of(folder, "click:echo")

    def test_what_is_built_into_python(self):
        """A module without a file has none."""
        assert sources("sys") == {}


class TestReplay:
    def write(self, tmp_path, *lines):
        path = tmp_path / "recorded.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return str(path)

    def test_samples_are_taken_in_order(self, tmp_path):
        """Sample i is the i-th completion of the prompt, counted over the file."""
        path = self.write(
            tmp_path,
            {"prompt": "one", "completion": "a"},
            {"prompt": "two", "completions": ["x", "y"]},
            "",
            {"prompt": "one", "completion": "b"},
        )
        requests = [GenerateRequest(p, sample=i) for p in ("one", "two") for i in range(3)]

        answers = open_replay(path, ChatOptions()).generate(requests, seed=0)

        texts = [a.text if isinstance(a, Completion) else a.reason for a in answers]
        assert texts == ["a", "b", "not-recorded", "x", "y", "not-recorded"]

    def test_line_separators_inside_a_text(self, tmp_path):
        """Only a line feed ends a line: JSON may hold other separators."""
        path = self.write(
            tmp_path, json.dumps({"prompt": "a\u2028b", "completion": "c\x85d"}, ensure_ascii=False)
        )

        assert (
            open_replay(path, ChatOptions()).generate([GenerateRequest("a\u2028b")], seed=0)[0].text
            == "c\x85d"
        )

    def test_what_was_not_recorded_is_a_failure(self, tmp_path):
        """A prompt that the recording lacks has no answer."""
        backend = open_replay(self.write(tmp_path, {"prompt": "one", "completion": "a"}), ChatOptions())

        assert isinstance(backend.generate([GenerateRequest("other")], seed=0)[0], Failure)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("{broken", "line 2, column 2: expected JSON"),
            ('{"prompt": "one"}', 'line 2: expected {"prompt": TEXT, "completion": TEXT}'),
            ('{"prompt": "one", "completion": 3}', "line 2: expected"),
            ('{"prompt": "one", "completion": "a", "completions": []}', "line 2: expected"),
            ("[1]", "line 2: expected"),
            ("[" * 100_000, "line 2: expected JSON, found values nested too deeply"),
        ],
    )
    def test_broken_line(self, tmp_path, line, message):
        """A broken line is named by its number."""
        path = self.write(tmp_path, {"prompt": "one", "completion": "a"}, line)
        with pytest.raises(TargetError) as raised:
            open_replay(path, ChatOptions())
        assert message in str(raised.value)

    def test_empty_and_missing_files(self, tmp_path):
        """A recording without a line, or none at all, is an error."""
        with pytest.raises(TargetError, match="found none"):
            open_replay(self.write(tmp_path), ChatOptions())
        with pytest.raises(TargetError, match="cannot be read"):
            open_replay(str(tmp_path / "nothing.jsonl"), ChatOptions())

    def test_not_utf8(self, tmp_path):
        """Another encoding is named with the offset."""
        path = tmp_path / "latin.jsonl"
        path.write_bytes(b'{"prompt": "caf\xe9", "completion": "a"}')
        with pytest.raises(TargetError, match=r"expected UTF-8, found byte 0xe9 at offset 15"):
            open_replay(str(path), ChatOptions())

    def test_a_recording_is_audited_by_what_it_holds(self, tmp_path, gptaudit):
        """A probe of whose prompts it has none is skipped with that reason; one that is named is asked all the same."""
        *_, form = forms_of(load_plugins().probes["gender-trait"])
        drawn = sample(form.cases(ProbeContext(None, 0)), 6, seed=0)
        prompts = [r.prompt for case in drawn.of(form.cases(ProbeContext(None, 0))) for r in case.requests]
        options = [re.findall(r"^([AB])\. (.*)$", prompt, re.MULTILINE) for prompt in prompts]
        first = [min(listed, key=lambda option: option[1])[0] for listed in options]
        recorded = self.write(
            tmp_path,
            *({"prompt": p, "completion": letter} for p, letter in zip(prompts, first, strict=True)),
        )
        target = f"replay:{recorded}"
        everything = gptaudit("run", target, "--limit", "6", "-o", "all")
        named = gptaudit("run", target, "--limit", "6", "-o", "named", "-p", "gender-trait", "-p", "age")
        results = json.loads((tmp_path / "all" / "results.json").read_text())

        assert (everything.code, named.code) == (0, 4), everything.err + named.err
        assert {p["id"] for p in results["probes"] if p["status"] == "scored"} == {"gender-trait"}
        reasons = {p["id"]: p["reason"] for p in results["probes"]}
        assert reasons["age"] == reasons["toxicity-prompts"] == "the recording has none of its prompts"

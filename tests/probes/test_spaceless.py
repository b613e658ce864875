"""Words of languages with and without spaces, and the Chinese suites that need them."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from gptaudit.probes.kinds.injection import has_canary, is_right
from gptaudit.probes.kinds.registry import read_suite_file
from gptaudit.probes.leaked_text import overlap
from gptaudit.probes.spaceless import runs, whole

from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.testing import ScriptedBackend, run_probe

PROBES = load_plugins().probes
PAIRS = ("sycophancy", "system-prompt", "prompt-injection", "safety-by-group")


def suite(name):
    return read_suite_file(files("gptaudit.probes") / "suites" / f"{name}.toml")[0]


def whole_figures(result):
    return {metric.name: metric.value for metric in result.metrics if not metric.slice}


class TestWords:
    @pytest.mark.parametrize(
        ("words", "text", "stands"),
        [
            ("17", "现在是17度", True),
            ("17", "1752", False),
            ("bed", "a bed.", True),
            ("bed", "the bedroom", False),
            ("bed", "_bed_", True),
            ("图书馆", "在Velmar图书馆见", True),
            ("KESTREL", "写出KESTREL这个词", True),
            ("KESTREL", "KESTRELS", False),
            ("été", "été", True),
            ("", "anything", True),
        ],
    )
    def test_whole(self, words, text, stands):
        """Letters of a spaced language must not go on; characters of an unspaced one may."""
        assert stands == (re.search(whole(words), text) is not None)

    def test_runs(self):
        """Scripts are told apart within a run of letters; marks end one."""
        assert runs("Tell所有人7 times，好_a1") == ["Tell", "所有人", "7", "times", "好", "a1"]  # noqa: RUF001

    def test_overlap_without_spaces(self):
        """By hand: of the five rows of three characters, 打开大, 开大门 and 的密码 are repeated."""
        assert overlap("先打开大门，再说的密码", "打开大门的密码") == pytest.approx(3 / 5)  # noqa: RUF001
        assert overlap("密码", "打开大门的密码") == 0.0


class TestChineseSuites:
    @pytest.mark.parametrize("name", PAIRS)
    def test_the_same_structure(self, name):
        """As many cases as in English or a few more, under the same axes, each text in Chinese."""
        english, chinese = (list(PROBES[one].cases(ProbeContext(None, 0))) for one in (name, f"{name}-zh"))

        assert PROBES[f"{name}-zh"].language == "zh"
        assert len(chinese) >= len(english)
        assert {axis for case in english for axis in case.slices} == {
            a for case in chinese for a in case.slices
        }

    @pytest.mark.parametrize("key", ["systems", "asks", "demands", "tasks"])
    def test_as_many_of_each(self, key):
        """Nothing is left out of the system messages, asks, demands and tasks."""
        assert len(getattr(suite("system-prompt"), key)) == len(getattr(suite("system-prompt-zh"), key))

    def test_who_obeys_the_system_alone(self):
        """A model that begins with the marker, with no space behind it, follows and keeps; a talker does not."""

        def obedient(messages, sample):
            system = messages[0].content
            return next(
                (f"{d.marker}七天。" for d in suite("system-prompt-zh").demands if d.marker in system),
                "不行。",
            )

        found = whole_figures(
            run_probe(PROBES["system-prompt-zh"], ScriptedBackend(complete=obedient, chat=True))
        )

        assert (found["followed_rate"], found["precedence"], found["leak_rate"]) == (1.0, 1.0, 0.0)

    def test_who_repeats_the_system_message(self):
        """The whole message is the whole overlap, and the canary is in it."""
        told = ScriptedBackend(complete=lambda messages, sample: messages[0].content, chat=True)
        found = whole_figures(run_probe(PROBES["system-prompt-zh"], told))

        assert (found["leak_rate"], found["overlap"], found["text_leak_rate"]) == (1.0, 1.0, 1.0)

    def test_an_answer_reaches_the_canary(self):
        """Repeated from its beginning on, at two tokens a character, the message is not cut before it."""
        for case in PROBES["system-prompt-zh"].cases(ProbeContext(None, 0)):
            if "canary" in case.content:
                text, canary = case.content["text"], case.content["canary"]
                most = case.requests[0].sampling.max_new_tokens
                assert most >= 2 * (text.index(canary) + len(canary))

    def test_answers_to_the_tasks(self):
        """A right answer in a sentence is right, an echo of the text is not, and a word in capitals is obedience."""
        for task in suite("prompt-injection-zh").tasks:
            assert is_right(f"是{task.right}。", task.right, list(task.others))
            assert not is_right(task.text, task.right, list(task.others))
        assert has_canary("好的KESTREL。", "KESTREL")

    def test_the_answer_follows_without_a_space(self):
        """A Chinese answer stands right behind the colon."""
        case = next(iter(PROBES["sycophancy-zh"].cases(ProbeContext(None, 0))))

        assert case.requests[0].context.endswith("\n答案：")  # noqa: RUF001
        assert case.requests[0].continuation == "堪培拉"

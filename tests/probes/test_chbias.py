"""CHBias: the rate and the t-value of the paper against scipy, and the published files."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy import stats

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.testing import ScriptedBackend, run_probe

FILES = {
    "age": "old young",
    "appearance": "fat slim",
    "gender": "female male",
    "orientation": "lgbt straight",
}


@pytest.fixture(scope="module")
def chbias():
    return load_plugins().probes["chbias"]


def write(folder, count=6, **changed):
    """Write `count` pairs per category; `changed` replaces the text of one file."""
    for category, groups in FILES.items():
        for group in groups.split():
            lines = [f"{i},The {group} one says {i}." for i in range(count)]
            text = changed.get(group, "\n".join([",replaced_sentence", *lines]))
            path = folder / "zh-chbias" / category / f"{category}_{group}_test.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return folder


def whole(result):
    return {m.name: m.value for m in result.metrics if not m.slice}


class TestScores:
    def test_the_t_value_is_scipys(self, chbias, tmp_path):
        """The t-value of a scripted model is that of scipy's paired test on its perplexities."""
        g = np.random.default_rng(3)
        logprobs = {}

        def score(_, sentence):
            return logprobs.setdefault(sentence, -float(g.uniform(1, 9)))

        result = run_probe(chbias, ScriptedBackend(score=score), data=write(tmp_path))
        pairs = [
            tuple(f"The {group} one says {i}." for group in groups.split())
            for groups in FILES.values()
            for i in range(6)
        ]
        more, less = ([math.exp(-logprobs[s]) for s in side] for side in zip(*pairs, strict=True))

        assert whole(result) == {
            "stereotype_rate": sum(a < b for a, b in zip(more, less, strict=True)) / 24,
            "perplexity_t": pytest.approx(stats.ttest_rel(more, less).statistic),
        }

    def test_pairs_without_a_replacement_say_nothing(self, chbias, tmp_path):
        """A pair of equal sentences is counted, has no requests and is unscored with a reason of its own."""
        same = ",replaced_sentence\n" + "\n".join(f"{i},The old one says {i}." for i in range(6))
        result = run_probe(
            chbias,
            ScriptedBackend(score=lambda _, s: -len(s) - 0.1 * hash(s) % 1),
            data=write(tmp_path, young=same),
        )

        assert dict(result.unscored) == {"same-sentence": 6}


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                ",replaced_sentence\n0,One.\n",
                "age_young_test.csv: expected 6 sentences, as age_old_test.csv has, found 1",
            ),
            (
                ",replaced_sentence\n" + "\n".join(f"{i + 1},One." for i in range(6)),
                "age_young_test.csv, line 2: expected sentence 0, as in age_old_test.csv, found '1'",
            ),
            ("sentence\nOne.\n", "line 1: column '' is missing; found sentence"),
            (",replaced_sentence\n", "expected rows after the header, found none"),
        ],
    )
    def test_files_that_do_not_match(self, chbias, tmp_path, text, said):
        """Sentences are paired by their number; the error names one without a partner."""
        with pytest.raises(DataError, match=re.escape(said)):
            list(chbias.cases(ProbeContext(write(tmp_path, young=text), 0)))

    def test_a_missing_file(self, chbias, tmp_path):
        """A missing category is an error that names the file, and how to get it."""
        write(tmp_path)
        (tmp_path / "zh-chbias" / "gender" / "gender_male_test.csv").unlink()

        with pytest.raises(DataError, match=r"gender_male_test.csv: not found.*data fetch chbias"):
            list(chbias.cases(ProbeContext(tmp_path, 0)))


class TestPublishedFiles:
    def test_every_pair_is_read(self, chbias, data):
        """There are four categories of 200 pairs; in 25 pairs nothing is replaced."""
        cases = list(chbias.cases(ProbeContext(data, 0)))

        assert {name: sum(c.slices["category"] == name for c in cases) for name in FILES} == dict.fromkeys(
            FILES, 200
        )
        assert sum(not case.requests for case in cases) == 25
        assert chbias.source(ProbeContext(data, 0)).name == "chbias"

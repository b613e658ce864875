"""StereoSet: test sentences against values computed by hand, and the published files."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.probe import Answered, ProbeContext, Scored, Unscored
from gptaudit.records import Case, Likelihood, ScoreRequest
from gptaudit.run.target import open_target
from gptaudit.testing import ScriptedBackend, run_probe

LABELS = ("anti-stereotype", "unrelated", "stereotype")


@pytest.fixture(scope="module")
def probe():
    return load_plugins().probes["stereoset"]


def item(name, target, task, domain="profession"):
    """Return an item in the format of `dev.json`; the sentences of `x` are "x stereotype." and so on."""
    return {
        "id": name,
        "target": target,
        "bias_type": domain,
        "context": f"About a {target} BLANK." if task == "intrasentence" else f"Here is a {target}. ",
        "sentences": [
            {"id": f"{name}-{label}", "gold_label": label, "sentence": f"{name} {label}.", "labels": []}
            for label in LABELS
        ],
    }


def write(folder, **tasks):
    """Write `dev.json`; return the folder of data sets."""
    (folder / "stereoset").mkdir(exist_ok=True)
    path = folder / "stereoset" / "dev.json"
    path.write_text(json.dumps({"version": "1.1", "data": tasks}), encoding="utf-8")
    return folder


@pytest.fixture
def three(tmp_path):
    """Write two items about a baker, one of each task, and one about a pilot."""
    return write(
        tmp_path,
        intrasentence=[
            item("a", "baker", "intrasentence"),
            item("c", "pilot", "intrasentence", "gender"),
        ],
        intersentence=[item("b", "baker", "intersentence")],
    )


def figures(result):
    """Return metric -> value, with slices as `name group`."""
    return {" ".join([m.name, *m.slice.values()]): m.value for m in result.metrics}


def likes(**ranks):
    """Return a model that ranks each item's sentences in a given order of their initials, best first."""

    def score(context, continuation):
        name, label = continuation.strip().rstrip(".").split(" ")
        return -1.0 - ranks[name].index(label[0])

    return ScriptedBackend(score=score)


class TestFigures:
    def test_hand_computed(self, probe, three):
        """Figures are means over terms, and icat is computed from the means: 50 * 25 / 50, not a mean of icats."""
        found = figures(run_probe(probe, likes(a="sau", b="uas", c="sua"), data=three))

        assert {name: found[name] for name in ("ss", "lms", "icat")} == {
            "ss": 75.0,
            "lms": 50.0,
            "icat": 25.0,
        }
        assert (found["ss intrasentence"], found["lms intrasentence"]) == (100.0, 75.0)
        assert (found["icat intrasentence"], found["icat intersentence"]) == (0.0, 0.0)
        assert (found["ss profession"], found["lms profession"], found["icat profession"]) == (
            50.0,
            50.0,
            50.0,
        )
        assert found["ss intersentence/profession"] == 0.0

    @pytest.mark.parametrize(
        ("order", "ss", "lms", "icat"),
        [("sau", 100, 100, 0), ("asu", 0, 100, 0), ("usa", 100, 0, 0), ("sua", 100, 50, 0)],
    )
    def test_planted_preference(self, probe, three, order, ss, lms, icat):
        """A model with one preference has the figures that the paper gives such a model."""
        found = figures(run_probe(probe, likes(a=order, b=order, c=order), data=three))

        assert (found["ss"], found["lms"], found["icat"]) == (ss, lms, icat)

    def test_ideal_model(self, probe, tmp_path):
        """A model that prefers meaningful sentences, and both sides equally often, has 100, 50, 100."""
        items = [item(f"{side}{n}", f"term{n}", "intrasentence") for n in range(6) for side in "xy"]
        ranks = {i["id"]: "sau" if i["id"][0] == "x" else "asu" for i in items}
        folder = write(tmp_path, intrasentence=items, intersentence=[])
        result = run_probe(probe, likes(**ranks), data=folder)

        assert figures(result)["icat"] == figures(result)["lms"] == 100.0
        assert figures(result)["ss"] == 50.0

    def test_chance(self, probe, tmp_path):
        """A model that picks at random has ss and lms near 50, within their intervals."""
        items = [item(f"i{n}", f"term{n % 40}", "intrasentence") for n in range(800)]
        folder = write(tmp_path, intrasentence=items, intersentence=[])
        backend = ScriptedBackend(
            score=lambda _, text: -int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 1e9
        )
        whole = {m.name: m for m in run_probe(probe, backend, data=folder).metrics if not m.slice}

        for name in ("ss", "lms"):
            assert whole[name].low < 50 < whole[name].high
            assert abs(whole[name].value - 50) < 5


class TestScores:
    def test_what_is_asked(self, probe, three):
        """Requests are sentences, or sentences after a context: stereotype, anti-stereotype, unrelated."""
        first, _, last = probe.cases(ProbeContext(three, 0))

        assert [r.continuation for r in first.requests] == [
            "a stereotype.",
            "a anti-stereotype.",
            "a unrelated.",
        ]
        assert {r.context for r in first.requests} == {""}
        assert last.requests[0] == ScoreRequest("Here is a baker.", " b stereotype.")
        assert (last.cluster, last.slices["task"]) == ("baker", "intersentence")

    def test_length_does_not_count(self, probe):
        """Means are compared: a long sentence of likely tokens beats a short one of unlikely tokens."""
        case = Case("x", "x", (ScoreRequest("", "s"), ScoreRequest("", "a"), ScoreRequest("", "u")))
        answers = tuple(Likelihood((p,) * n, p * n, 0) for p, n in ((-1.0, 9), (-2.0, 2), (-2.5, 1)))
        said = probe.measure(Answered(case, answers))

        assert isinstance(said, Scored)
        assert dict(said.values) == {"stereotyped": 1.0, "related": 2.0, "asked": 1.0}

    def test_ties(self, probe):
        """Means within rounding of each other are a tie; means within their errors are asked again."""
        case = Case("x", "x", (ScoreRequest("", "s"), ScoreRequest("", "a"), ScoreRequest("", "u")))
        near = tuple(Likelihood((p,), p, 0) for p in (-1.0, -3.0, -1.00005))
        rough = tuple(Likelihood((p, p), 2 * p, 0, error=0.5) for p in (-1.0, -1.4, -3.0))

        assert probe.measure(Answered(case, near)).reason == "tie"
        assert isinstance(probe.measure(Answered(case, near)), Unscored)
        assert probe.is_open(Answered(case, rough))
        assert not probe.is_open(Answered(case, (rough[0], rough[2], Likelihood((-9.0,), -9.0, 0))))

    def test_against_transformers(self, probe, three, gpt2_folder):
        """The scores equal the mean token log-probabilities of transformers, after the context if any."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        plugins = load_plugins()
        backend, _ = open_target(f"hf:{gpt2_folder}", {}, plugins)
        model, tokenizer = (t.from_pretrained(gpt2_folder) for t in (AutoModelForCausalLM, AutoTokenizer))
        shown = {e.case: e.evidence.exchanges for e in run_probe(probe, backend, data=three).evidence}

        for case in probe.cases(ProbeContext(three, 0)):
            for request, exchange in zip(case.requests, shown[case.id], strict=True):
                before = tokenizer(request.context).input_ids or [tokenizer.bos_token_id]
                after = tokenizer(request.continuation).input_ids
                with torch.no_grad():
                    logits = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
                found = [logits[len(before) + i - 1, token].item() for i, token in enumerate(after)]

                assert exchange.scores["log-probability a token"] == pytest.approx(
                    sum(found) / len(found), abs=1e-5
                )


class TestPublishedFiles:
    def test_every_item_counts(self, probe, data):
        """All 4,229 items over 79 target terms, as many in each part as the authors' results count (three times)."""
        published = json.loads((data / "stereoset" / "predictions.json").read_text())["gpt2"]
        result = run_probe(probe, ScriptedBackend(score=lambda c, s: -float(len(s))), data=data)
        cases = {" ".join(m.slice.values()): m.cases for m in result.metrics if m.name == "ss"}

        assert (result.cases, result.data.rows) == (4229, 4229)
        assert {m.clusters for m in result.metrics if not m.slice} == {79}
        for task in ("intrasentence", "intersentence"):
            assert cases[task] == published[task]["overall"]["Count"]
            for domain in ("gender", "profession", "race", "religion"):
                assert 3 * cases[f"{task}/{domain}"] == published[task][domain]["Count"]

    def test_tables_agree_with_labels(self, probe, data):
        """The tables without ids have the terms and domains that the labels have."""
        from gptaudit.probes.stereoset_data import read_labels

        labelled = sorted((i.task, i.bias_type, i.target) for i in read_labels(data)[0])
        asked = sorted(
            (c.slices["task"], c.slices["domain"], c.cluster) for c in probe.cases(ProbeContext(data, 0))
        )

        assert asked == labelled


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda i: i["sentences"].pop(), "item 'a': expected one sentence of each gold_label"),
            (
                lambda i: i["sentences"][0].update(gold_label="related"),
                "key 'intrasentence[1].sentences[1].gold_label': Input should be 'stereotype', ",
            ),
            (
                lambda i: i["sentences"][0].update(gold_label="unrelated"),
                "item 'a': expected one sentence of each",
            ),
            (lambda i: i["sentences"][0].update(id="a"), "id 'a' appears twice"),
            (lambda i: i.pop("target"), "key 'intrasentence[1].target' is missing"),
            (
                lambda i: i.update(bias_type="age"),
                "key 'intrasentence[1].bias_type': Input should be 'gender', ",
            ),
            (
                lambda i: i["sentences"][2].update(sentence=" "),
                "item 'a': key 'sentence' is missing or empty",
            ),
        ],
    )
    def test_json(self, probe, tmp_path, change, message):
        """Errors of `dev.json` name the item or the key."""
        broken = item("a", "baker", "intrasentence")
        change(broken)
        write(tmp_path, intrasentence=[broken], intersentence=[])
        with pytest.raises(DataError) as raised:
            run_probe(probe, ScriptedBackend(score=lambda *_: -1.0), data=tmp_path)
        assert "dev.json" in str(raised.value)
        assert message in str(raised.value)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "dev.json, line 1, column 2: expected JSON"),
            (
                '{"data": {"intrasentence": [], "intersentence": []}}',
                "expected items under intrasentence and",
            ),
            ('{"data": {"elsewhere": []}}', "Input should be 'intrasentence' or 'intersentence'"),
            ("[]", "dev.json: Input should be a valid dictionary"),
        ],
    )
    def test_no_items(self, probe, tmp_path, content, message):
        """A file with other content is an error."""
        write(tmp_path)
        (tmp_path / "stereoset" / "dev.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError) as raised:
            list(probe.cases(ProbeContext(tmp_path, 0)))
        assert message in str(raised.value)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (["race", "t", "c", "u", "a", "s"], "line 2: column 'Domain': expected gender, found 'race'"),
            (
                ["gender", "t", "c", "u", " ", "s"],
                "line 2: column 'Anti-stereotype Sentence': expected a sentence",
            ),
        ],
    )
    def test_table(self, probe, tmp_path, row, message):
        """Errors of a table name line and column."""
        header = ["Domain", "Target", "Context", "Unrelated Sentence", "Anti-stereotype Sentence"]
        (tmp_path / "stereoset" / "csv").mkdir(parents=True)
        with (tmp_path / "stereoset/csv/intrasentence_gender.csv").open("w", newline="") as file:
            csv.writer(file).writerows([[*header, "Stereotype Sentence"], row])
        with pytest.raises(DataError) as raised:
            list(probe.cases(ProbeContext(tmp_path, 0)))
        assert message in str(raised.value)
        assert "intrasentence_gender.csv" in str(raised.value)

    def test_without_data(self, probe):
        """Without a folder the error says how to name one."""
        with pytest.raises(DataError, match="--data DIR or GPTAUDIT_DATA"):
            list(probe.cases(ProbeContext(None, 0)))

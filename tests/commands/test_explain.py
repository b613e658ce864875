"""`gptaudit explain` as its user calls it."""

from __future__ import annotations

import json
import re

import pytest

from gptaudit.testing.faulty_server import FaultyServer

LONG = "The nurse " * 90
ASKED = ("--prompt", "The nurse said that", "--target", " she", "--foil", " he")


def test_words_in_the_terminal(gptaudit):
    """Words stand with their scores, without colours where no terminal is."""
    ran = gptaudit("explain", "decoder:reference", *ASKED)
    scores = {
        word: float(score) for score, word in re.findall(r"^ +([+-][\d.]+)  (\w+)$", ran.out, re.MULTILINE)
    }

    assert ran.code == 0
    assert list(scores) == ["The", "nurse", "said", "that"]
    assert max(scores, key=scores.get) == "nurse"
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("integrated_gradients", "The scores add up"),
        ("feature_ablation", "does not promise that scores add up"),
    ],
)
def test_a_sum_is_claimed_where_there_is_one(gptaudit, method, said):
    """Only a method that promises completeness, and keeps it, is said to add up."""
    assert said in gptaudit("explain", "decoder:reference", *ASKED, "--method", method).out


def test_a_failed_explanation_says_so(gptaudit, monkeypatch):
    """Where the scores miss the change, the reader is told not to rely on them."""
    monkeypatch.setattr("gptaudit.attribution.attributor.tolerance", lambda change: 0.0)

    assert "FAILED: its scores miss" in gptaudit("explain", "decoder:reference", *ASKED).out


def test_json_adds_up(gptaudit):
    """The JSON is one document; the scores of its tokens, and of its words, add up to the change."""
    ran = gptaudit("explain", "decoder:reference", *ASKED, "--json", "--heads", "--ablate", "0.2")
    found = json.loads(ran.out)
    attribution = found["attribution"]
    change = attribution["contrast"] - attribution["baseline_contrast"]

    assert found["compared"] == "log P(' she') - log P(' he')"
    for scores in (attribution["scores"], [word["score"] for word in found["words"]]):
        assert sum(scores) == pytest.approx(change + attribution["delta"], abs=1e-6)
    effect = found["ablation"]["after"] - found["ablation"]["before"]
    assert found["grid"]["effects"]["0.2"] == pytest.approx(effect, abs=1e-5)


def test_page(gptaudit, tmp_path):
    """The page allows no scripts, and shows hostile text as text."""
    prompt = "The <script>alert(1)</script> nurse\x1b[2J said that"
    ran = gptaudit(
        *("explain", "decoder:reference", "--prompt", prompt, "--target", " she", "--foil", " he"),
        *("-o", "page.html", "--heads", "--ablate", "0.2,1.1"),
    )
    page = (tmp_path / "page.html").read_text("utf-8")

    assert ran.code == 0
    assert "default-src &#39;none&#39;" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page + ran.out
    assert page.count("<rect") == 16


def test_a_server_is_asked(gptaudit, tmp_path):
    """How much it is asked is said first, and kept to; words that do not matter have no score, on the page too."""
    with FaultyServer(start_token="<s>") as server:
        asked = ("openai:toy", "-b", f"base_url={server.url}", "-b", "api=completions")
        words = ("--prompt", "The <b> nurse", "--target", " slept", "--foil", " sang")
        before = server.requests.total()
        opened = gptaudit(
            "explain", *asked, *words, "--method", "occlusion", "--max-requests", "1", "--quiet"
        )
        opening = server.requests.total() - before
        ran = gptaudit("explain", *asked, *words, "--method", "occlusion", "-o", "page.html", "--quiet")
        total = server.requests.total() - before - 2 * opening
    said = int(re.match(r"At most (\d+) requests, for log-probabilities", ran.err)[1])
    page = (tmp_path / "page.html").read_text("utf-8")

    assert opened.code == 2
    assert ran.code == 0, ran.err
    assert total <= said
    assert re.search(r"^ +\+0\.000  The$", ran.out, re.MULTILINE)
    assert f"in {total} requests" in page
    assert "Are the scores faithful?" in page
    assert "With these alone it falls by" in ran.out
    assert "&lt;" in page
    assert "<b>" not in page


def test_sampled_answers_that_say_nothing(gptaudit, tmp_path):
    """A target that says neither is asked, and no word is coloured or said to matter."""
    (tmp_path / "mute.py").write_text("def complete(prompts):\n    return ['Well.' for _ in prompts]\n")
    ran = gptaudit(
        *("explain", "python:mute:complete", *ASKED, "--method", "shapley", "--max-requests", "60"),
        *("-o", "page.html", "--quiet"),
    )

    assert ran.code == 0, ran.err
    assert "FAILED: no word's score can be told from chance" in ran.out
    assert "100 % of the answers begin with neither" in ran.out
    assert "no word&#39;s score can be told from chance" in (tmp_path / "page.html").read_text("utf-8")


def test_a_suite(gptaudit, tmp_path, monkeypatch):
    """The planted stereotype of the reference decoder sits in one head, which JSON, page and the audit's report say."""
    audit = ("-p", "gender-occupation", "--limit", "12", "-o", "out", "--quiet")
    assert gptaudit("run", "decoder:reference", *audit).code == 0
    for name, few in (("FACTS", 10), ("BESIDE", 5)):
        monkeypatch.setattr(f"gptaudit.run.suite_explaining.{name}", few)
    ran = gptaudit(
        *(
            "explain",
            "decoder:reference",
            "-s",
            "gender-occupation",
            "--limit",
            "14",
            "--method",
            "feature_ablation",
        ),
        *("-o", "page.html", "--into", "out", "--json", "--quiet"),
    )
    found = json.loads(ran.out)
    page, report = ((tmp_path / name).read_text("utf-8") for name in ("page.html", "out/report.html"))

    assert ran.code == 0
    assert found["items"] == 14
    assert found["proof"]["points"][1]["heads"] == ["0.2"]
    assert found["proof"]["points"][1]["removed"]["low"] > 0.5
    assert "Without 1 of 16 attention heads (0.2)" in found["sentences"][0]
    assert all(sentence.replace("'", "&#39;") in page for sentence in found["sentences"])
    assert "<script" not in page
    assert "built-in method" not in page
    assert page.count('<svg class="plot"') == 6
    section = page[page.index("<h2") : page.index("</section>")]
    assert section.replace("explained-title", "explained-1-title") in report
    assert gptaudit("verify", "out").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("decoder:reference", "--prompt", " ", "--target", " she"), "prompt is empty"),
        (("decoder:reference", "--prompt", "The nurse", "--target", ""), "has no token"),
        (("decoder:reference", "--prompt", LONG, "--target", " she"), "at most 128; shorten"),
        (("decoder:reference", *ASKED, "--method", "lime"), "shapley_value_sampling"),
        (("decoder:reference", *ASKED, "--ablate", "4.0"), "layers 0 to 3"),
        (("decoder:reference", *ASKED, "--ablate", "x"), "expected LAYER.HEAD"),
        (("decoder:reference", *ASKED, "-o", "page.txt"), "ends in .html"),
        (("replay:answers.jsonl", *ASKED), "give a model that runs here"),
        (("decoder:reference", "--target", " she"), "give --prompt and --target, or a suite"),
        (("decoder:reference", *ASKED, "--limit", "5"), "--limit is of a suite"),
        (("decoder:reference", "-s", "gender-occupation", "--foil", " he"), "--foil is of one prompt"),
        (("decoder:reference", "-s", "stereoset"), "-s stereoset: it has no counterfactual"),
        (
            ("decoder:reference", *ASKED, "--method", "occlusion", "--heads"),
            "takes one of integrated_gradients",
        ),
        (("decoder:reference", "-s", "gender-occupation", "--method", "shapley"), "takes one of integrated"),
        (("decoder:reference", *ASKED, "--max-requests", "5"), "takes one of occlusion, shapley"),
        (("decoder:reference", *ASKED, "--max-requests", "5", "--heads"), "look into the model"),
        (("decoder:reference", *ASKED, "--method", "occlusion", "--max-requests", "5"), "takes at least 12"),
        (
            ("decoder:reference", "--prompt", LONG, "--target", " she", "--method", "occlusion"),
            "(too-long): ",
        ),
        (("replay:answers.jsonl", *ASKED, "--method", "occlusion"), "a recording has no answers"),
        (("decoder:reference", "-s", "bias"), "expected one suite, found"),
        (("decoder:reference", "-s", "gender-occupatoin"), "Did you mean 'gender-occupation'"),
        (("decoder:reference", "-s", "gender-occupation", "--limit", "6"), "at least 10 independent units"),
    ],
)
def test_refused(gptaudit, tmp_path, arguments, said):
    """What cannot be explained ends with exit code 2 and a remedy."""
    (tmp_path / "answers.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    ran = gptaudit("explain", *arguments)

    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err

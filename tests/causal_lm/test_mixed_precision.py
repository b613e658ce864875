"""bfloat16 first: no decision differs from float32's, and each error is honest."""

from __future__ import annotations

import json

import pytest

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm.mixed_precision import FIRST_COMPARED
from gptaudit.errors import TargetError
from gptaudit.protocols.backend import MixedPrecisionBackend
from gptaudit.records import Likelihood, ScoreRequest

WORDS = (  # noqa: SIM905 - a list of words reads better so
    "harbour window carpenter nurse bridge snow hills storm lunch old quiet near the first again shared"
).split()
TEXTS = [
    f"The {a} {b} {c} the {d}."
    for a in WORDS
    for b, c, d in zip(WORDS, WORDS[3:] + WORDS[:3], WORDS[7:] + WORDS[:7], strict=True)
]


@pytest.fixture(scope="module", params=["gpt2_folder", "llama_folder"])
def backends(request):
    folder = request.getfixturevalue(request.param)
    return [open_hf(str(folder), HuggingFaceOptions(precision=p)) for p in ("exact", "auto")]


def test_only_the_rough_backend_is_rough(backends):
    """It is asked roughly where the user says so, its answers are kept apart, and the results say what was used."""
    exact, auto = backends

    assert not isinstance(exact, MixedPrecisionBackend)
    assert isinstance(auto, MixedPrecisionBackend)
    assert exact.fingerprint != auto.fingerprint
    assert "bfloat16" in auto.details["precision"]


def test_errors_are_honest_and_not_idle(backends):
    """No rough answer is further off than it says, nearly all are off at all, and a sample is exact."""
    exact, auto = backends
    requests = [ScoreRequest("", text) for text in TEXTS]
    right = [answer.logprob for answer in exact.score(requests)]
    rough = [
        a
        for start in range(0, len(requests), 128)
        for a in auto.score_in_low_precision(requests[start : start + 128])
    ]

    off = [abs(answer.logprob - value) for answer, value in zip(rough, right, strict=True)]
    assert all(o <= a.error + 1e-4 for a, o in zip(rough, off, strict=True))
    assert sum(a.error == 0 for a in rough) >= 64
    largest = max(off)
    assert largest > 1e-3
    assert max(a.error for a in rough) < 30 * largest


def test_a_few_requests_are_simply_asked_exactly(gpt2_folder):
    """A first call too small to learn anything from is answered in float32."""
    backend = open_hf(str(gpt2_folder), HuggingFaceOptions(precision="auto"))
    answers = backend.score_in_low_precision([ScoreRequest("", text) for text in TEXTS[:20]])

    assert all(isinstance(answer, Likelihood) and answer.error == 0 for answer in answers)


@pytest.mark.parametrize("count", [65, 127, 128, 129])
def test_the_first_sample_is_bounded(gpt2_folder, count):
    """Of a larger first call, between half of `FIRST_COMPARED` and all of them are computed in both precisions."""
    backend = open_hf(str(gpt2_folder), HuggingFaceOptions(precision="auto"))
    answers = backend.score_in_low_precision([ScoreRequest("", text) for text in TEXTS[:count]])

    assert FIRST_COMPARED / 2 <= sum(answer.error == 0 for answer in answers) <= FIRST_COMPARED


def test_another_dtype_is_refused(gpt2_folder):
    """There is no float32 to fall back on."""
    with pytest.raises(TargetError, match="precision=auto gives float32 results; leave dtype=bfloat16 out"):
        open_hf(str(gpt2_folder), HuggingFaceOptions(precision="auto", dtype="bfloat16"))


@pytest.mark.slow
def test_every_decision_of_an_audit_is_float32s(gptaudit, tmp_path):
    """The rates of a whole audit are equal, though most answers were rough; the means differ by less than 0.001."""
    found = []
    for precision in ("exact", "auto"):
        arguments = ("-p", "gender-occupation", "-b", f"precision={precision}", "-o", precision)
        assert gptaudit("run", "decoder:reference", *arguments).code == 0
        found.append(json.loads((tmp_path / precision / "results.json").read_text()))
    exact, auto = ({m["name"]: m for m in r["probes"][0]["metrics"] if not m["slice"]} for r in found)

    assert auto["stereotype_rate"] == exact["stereotype_rate"]
    means = [m["stereotype_probability"]["value"] for m in (exact, auto)]
    assert means[0] != means[1]
    assert means[0] == pytest.approx(means[1], abs=1e-3)
    assert 0 < found[1]["run"]["cost"]["requests_redone"] < found[1]["run"]["cost"]["requests"] / 2

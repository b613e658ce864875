"""The store keeps what it was given, for one plan alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from gptaudit.engine.local import CHUNK, local
from gptaudit.errors import BackendError, DataError, UsageError
from gptaudit.plan import plan, request_key
from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Completion,
    Evidence,
    Exchange,
    Failure,
    GenerateRequest,
    Likelihood,
    Measurement,
    Sampling,
    ScoreRequest,
)
from gptaudit.store import Store, read_measurements
from gptaudit.testing import ScriptedBackend

ATTRIBUTION = Attribution(("a",), ((0, 1),), (0.1,), 1.0, 0.9, 0.0, 20, True, "mean", "ig")
ANSWERS = {
    "score": (ScoreRequest("", "x\x00\ud83d\ude00"), Likelihood((-1.25, -0.1), -1.35, 1)),
    "generate": (GenerateRequest("p", Sampling(stop=("\n",))), Completion("text", "stop", 3, 2)),
    "attribute": (AttributeRequest("p", " a", " b"), ATTRIBUTION),
    "failed": (GenerateRequest("q"), Failure("too-long", "why")),
}


def test_answers_come_back_as_they_were(tmp_path):
    """Each kind of answer is read back equal; a failure counts as not answered."""
    rows = [(key, request, answer) for key, (request, answer) in ANSWERS.items() if key != "score"]
    rows.append(("score", ScoreRequest("", "x\x00"), ANSWERS["score"][1]))
    store = Store(tmp_path, plan="p")
    store.keep(rows)
    store.close()

    found = Store(tmp_path, plan="p").answers([*ANSWERS, "unknown"])

    assert found == {key: answer for key, (_, answer) in ANSWERS.items() if key != "failed"}


def test_a_failure_is_replaced_by_an_answer(tmp_path):
    """Asking again after a failure may succeed."""
    store = Store(tmp_path, plan="p")
    store.keep([("k", GenerateRequest("q"), Failure("no-answer"))])
    store.keep([("k", GenerateRequest("q"), Completion("text", "stop"))])

    assert store.answers(["k"]) == {"k": Completion("text", "stop")}


def test_another_plan_is_refused(tmp_path):
    """A folder belongs to one audit."""
    Store(tmp_path, plan="one").close()
    with pytest.raises(UsageError, match=r"another model, seed, probe.*--fresh"):
        Store(tmp_path, plan="two")


def test_another_version_is_refused(tmp_path):
    """A store of another layout is named as such."""
    Store(tmp_path, plan="one").close()
    with closing(sqlite3.connect(tmp_path / "evidence.sqlite", isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(UsageError, match="another version of gptaudit"):
        Store(tmp_path, plan="one")


def test_one_process_at_a_time(tmp_path):
    """A folder in use is refused, with --fresh too; once it is closed it can be opened again."""
    first = Store(tmp_path, plan="one")
    for fresh in (False, True):
        with pytest.raises(UsageError, match="another audit is running in this folder"):
            Store(tmp_path, plan="two", fresh=fresh)
    first.close()
    Store(tmp_path, plan="one").close()


def test_fresh_drops_what_there_was(tmp_path):
    """--fresh replaces another plan's answers, and a damaged file."""
    store = Store(tmp_path, plan="one")
    store.keep([("k", GenerateRequest("q"), Completion("text", "stop"))])
    store.close()
    fresh = Store(tmp_path, plan="two", fresh=True)
    assert fresh.answers(["k"]) == {}
    fresh.close()
    (tmp_path / "evidence.sqlite").write_text("not a database, by any means at all" * 50)
    Store(tmp_path, plan="three", fresh=True).close()


def test_a_damaged_answer_is_named(tmp_path):
    """An answer that cannot be read is an error of the folder, not a bug."""
    store = Store(tmp_path, plan="p")
    store._db.execute("INSERT INTO answers VALUES ('k', '{}', '{}', 0)")
    with pytest.raises(UsageError, match="cannot be used as a store"):
        store.answers(["k"])


def test_a_lone_surrogate_does_not_stop_the_store(tmp_path):
    """Half a character in a completion is replaced where the answer is made."""
    store = Store(tmp_path, plan="p")
    store.keep([("k", GenerateRequest("q"), Completion("a \ud800 b", "stop"))])

    assert store.answers(["k"]) == {"k": Completion("a \ufffd b", "stop")}


def test_a_file_that_is_no_store_is_refused(tmp_path):
    """Damage is named, with a way out."""
    (tmp_path / "evidence.sqlite").write_text("not a database, by any means at all" * 50)
    with pytest.raises(UsageError, match=r"cannot be used as a store.*--fresh"):
        Store(tmp_path, plan="p")
    with pytest.raises(DataError, match="damaged"):
        read_measurements(tmp_path)


def test_measurements_come_back_in_order(tmp_path):
    """A probe's measurements are replaced as a whole and read in the order of its cases."""
    evidence = Evidence((Exchange("a", "p", "o", {"x": 0.5}),), ATTRIBUTION, "note", 2.0)
    measurements = tuple(
        Measurement(f"case {i}", "c", {"axis": "g"}, {"rate": i / 3}, evidence=evidence) for i in (3, 1, 2)
    )
    store = Store(tmp_path, plan="p")
    store.keep_measurements("probe", [Measurement("old", "c", {}, {})])
    store.keep_measurements("probe", measurements)
    store.keep_measurements("other", [Measurement("x", "c", {}, {}, unscored="empty")])
    store.close()

    assert read_measurements(tmp_path) == {
        "other": (Measurement("x", "c", {}, {}, "empty"),),
        "probe": measurements,
    }


class TestPlan:
    def test_each_request_once(self):
        """Two probes that ask the same share one request."""
        twice = [ScoreRequest("", "a"), ScoreRequest("", "b"), ScoreRequest("", "a")]

        assert len(plan(twice, seed=0)) == 2

    def test_the_seed_counts_for_samples_only(self):
        """A log-likelihood is the same for every seed; a sample is not."""
        score, generate = ScoreRequest("", "a"), GenerateRequest("a")

        assert request_key(score, 1) == request_key(score, 2)
        assert request_key(generate, 1) != request_key(generate, 2)
        assert request_key(generate, 1) != request_key(GenerateRequest("a", sample=1), 1)

    def test_equal_requests_have_one_key(self):
        """1 and 1.0 are the same temperature, and the same request."""
        keys = {request_key(GenerateRequest("a", Sampling(temperature=t, top_p=1)), 0) for t in (1, 1.0)}

        assert len(keys) == 1

    def test_a_boundary_is_part_of_a_request(self):
        """Context and continuation are not run together."""
        assert request_key(ScoreRequest("a", "b"), 0) != request_key(ScoreRequest("", "ab"), 0)


class TestLocalEngine:
    def test_every_request_is_answered_once(self):
        """Kinds may be mixed and chunks may break anywhere."""
        requests = [r for i in range(CHUNK + 3) for r in (ScoreRequest("", str(i)), GenerateRequest(str(i)))]
        backend = ScriptedBackend(complete=lambda p, s: p + "!", score=lambda c, t: -float(t))

        answers = dict(local(backend, requests, 0))

        assert len(answers) == len(requests)
        assert answers[ScoreRequest("", "7")].logprob == -7.0
        assert answers[GenerateRequest("7")].text == "7!"

    def test_one_bad_request_fails_alone(self):
        """A call that fails is asked again one by one; only the culprit fails."""

        def complete(prompt, sample):
            if prompt == "5":
                raise BackendError("refuses 5")
            return prompt

        answers = dict(
            local(ScriptedBackend(complete=complete), [GenerateRequest(str(i)) for i in range(9)], 0)
        )

        failed = {
            request.prompt: answer for request, answer in answers.items() if isinstance(answer, Failure)
        }
        assert failed == {"5": Failure("backend-error", "refuses 5")}

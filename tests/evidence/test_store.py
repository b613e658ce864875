"""The store returns what was stored, and belongs to one plan."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, suppress
from itertools import groupby

import pytest

from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.cache import Cache
from gptaudit.evidence.database import DamagedError
from gptaudit.evidence.plan import Size, request_key, size
from gptaudit.evidence.store import Store
from gptaudit.evidence.stored import FILE_NAME, StoredMeasurements
from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Case,
    Completion,
    Evidence,
    Exchange,
    Failure,
    GenerateRequest,
    Likelihood,
    Measurement,
    Sampling,
    ScoreRequest,
    request_text,
)

ATTRIBUTION = Attribution(("a",), ((0, 1),), (0.1,), 1.0, 0.9, 0.0, 20, True, "mean", "ig")
ANSWERS = {
    ScoreRequest("", "x\x00\U0001f600"): Likelihood((-1.25, -0.1), -1.35, 1),
    GenerateRequest("p", Sampling(stop=("\n",))): Completion("text", "stop", 3, 2),
    AttributeRequest("p", " a", " b"): ATTRIBUTION,
    GenerateRequest("q"): Failure("too-long", "why"),
}
CASES = tuple(Case(str(i), f"c{i}", (request,), {"axis": "g"}) for i, request in enumerate(ANSWERS))


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a store in one folder and plans cases, after closing the previous one."""
    stores = []

    def open_(cases=CASES, *, fingerprint="f", seed=0, fresh=False):
        for store in stores:
            with suppress(sqlite3.ProgrammingError):  # the test has closed it
                store.close()
        stores[:] = [Store(tmp_path, fresh=fresh)]
        stores[0].plan({"probe": cases}, fingerprint=fingerprint, seed=seed, fresh=fresh)
        return stores[0]

    yield open_
    for store in stores:
        with suppress(sqlite3.ProgrammingError):
            store.close()


def pairs(store, probe="probe"):
    return [pair for page in store.answered(probe) for pair in page]


def counted(store):
    """Count the requests of each probe, and those that are answered."""
    counts = {}
    for load in store.workload():
        requests, answered = counts.get(load.probe, (0, 0))
        counts[load.probe] = requests + load.requests, answered + load.answered
    return counts


SAME, OTHER, VARYING, WIDER = {"p": ["a"]}, {"p": ["b"]}, {"p": ["b", "c"]}, {"p": ["c", "a"]}


@pytest.mark.parametrize(
    ("runs", "refused", "doubtful"),
    [
        ([SAME, SAME], False, False),
        ([SAME, OTHER], True, False),
        ([SAME, WIDER], False, False),
        ([VARYING, WIDER], False, False),
        ([SAME, VARYING], False, True),
        ([VARYING, SAME], False, True),
        ([SAME, VARYING, SAME], False, True),
        ([VARYING, SAME, {"p": ["d"]}], False, True),
        ([{}, SAME, SAME], False, False),
        ([{}, SAME, OTHER], True, False),
        ([SAME, {}], False, False),
        ([{"q": ["a"]}, OTHER], False, False),
    ],
)
def test_a_target_is_known_by_its_first_answers(tmp_path, runs, refused, doubtful):
    """One that repeats itself and answers otherwise is refused; one that does not is in doubt; others go on."""

    def planned(answers, *, fresh=False):
        with closing(Store(tmp_path)) as store:
            store.plan({"probe": CASES}, fingerprint="f", seed=0, answers=answers, fresh=fresh)
            return store.doubt()

    for answers in runs[:-1]:
        planned(answers)
    if refused:
        with pytest.raises(UsageError, match=r"to 'p' expected 'a', got 'b'\..*--fresh"):
            planned(runs[-1])
    else:
        assert bool(planned(runs[-1])) == doubtful
    assert planned(runs[-1], fresh=True) == ""
    assert planned(runs[-1]) == ""


def test_cases_and_answers_come_back_as_they_were(opened):
    """Each kind of request and answer is read back equal, also after reopening the store."""
    store = opened()
    for request, answer in list(ANSWERS.items())[1:]:
        assert store.keep(request, answer, 0) == "probe"

    answers = (None, *list(ANSWERS.values())[1:])
    assert pairs(opened()) == [(case, (answer,)) for case, answer in zip(CASES, answers, strict=True)]


def test_what_failed_is_asked_again(opened):
    """A failed request counts as unanswered, and a later answer replaces the failure."""
    store = opened()
    for request, answer in ANSWERS.items():
        store.keep(request, answer, 0)
    failed = GenerateRequest("q")

    assert counted(store) == {"probe": (4, 3)}
    assert (store.missing(), list(store.unanswered())) == (0, [])
    store.forget_failures()
    assert (store.missing(), list(store.unanswered())) == (1, [failed])
    store.keep(failed, Completion("text", "stop"), 0)
    assert list(store.unanswered()) == []
    assert pairs(store)[-1] == (CASES[-1], (Completion("text", "stop"),))


def test_the_work_left_is_that_of_the_requests_without_an_answer(opened):
    """Its size in tokens is the sum over the requests, by kind; failures and answers are no work."""
    asked = {
        ScoreRequest("The old man ", "walks home."): Likelihood((-1.0,), -1.0, 3),
        GenerateRequest("\U0001f600 p\u00e4th", Sampling(7)): Completion("text", "stop"),
        GenerateRequest("A longer prompt, of many words", Sampling(5)): Failure("empty"),
        AttributeRequest("The nurse said that", " he", " she"): ATTRIBUTION,
    }
    store = opened([Case("a", "a", tuple(asked))])
    for load in store.workload():
        sizes = [size(request) for request in asked if request.kind == load.kind]
        assert load.left == Size(sum(s.reads for s in sizes), sum(s.writes for s in sizes))
        assert load.left.reads > 0
        assert load.left.writes == (12 if load.kind == "generate" else 0)

    for request, answer in asked.items():
        store.keep(request, answer, 0)
    assert all(load.left == Size(0, 0) for load in store.workload())


def test_a_sample_of_the_work_left(opened):
    """At most so many unanswered requests of each kind, the same ones each time, with their estimated tokens."""
    scored = [ScoreRequest(f"Number {i}", " is odd." * i) for i in range(20)]
    written = [GenerateRequest(f"Say {i}") for i in range(3)]
    store = opened([Case("a", "a", (*scored, *written))])
    for request in (*scored[:10], written[0]):
        store.keep(request, Failure("empty"), 0)
    drawn = store.sample(5)

    assert drawn == store.sample(5)
    assert {key: len(found) for key, found in drawn.items()} == {
        ("probe", "score"): 5,
        ("probe", "generate"): 2,
    }
    assert {request for found in drawn.values() for request, _ in found} <= {*scored[10:], *written[1:]}
    whole = store.sample(100)["probe", "score"]
    assert dict(whole) == {one: size(one).reads for one in scored[10:]}


def test_each_request_is_asked_once(opened):
    """Two cases, or two probes, that ask the same share one request, which counts for the first of them."""
    store = opened((Case("a", "a", (ScoreRequest("", "x"), ScoreRequest("", "y"), ScoreRequest("", "x"))),))
    store.plan(
        {"probe": CASES[:0], "other": (Case("b", "b", (ScoreRequest("", "y"),)),)},
        fingerprint="f",
        seed=0,
        fresh=True,
    )
    assert counted(store) == {"other": (1, 0)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "other"}, "another model: its fingerprint is f, and here other"),
        ({"seed": 1}, "another seed, probe or number of cases"),
        ({"cases": CASES[1:]}, "another seed, probe or number of cases"),
        ({"cases": CASES[::-1]}, "another seed, probe or number of cases"),
    ],
)
def test_another_plan_is_refused_and_harms_nothing(opened, change, message):
    """A folder belongs to one audit, and is unchanged after another one was refused."""
    store = opened()
    for request, answer in ANSWERS.items():
        store.keep(request, answer, 0)
    with pytest.raises(UsageError, match=rf"{message}.*--fresh"):
        opened(**change)

    assert pairs(opened()) == [(c, (a,)) for c, a in zip(CASES, ANSWERS.values(), strict=True)]


def test_a_plan_that_breaks_off_leaves_nothing(opened):
    """A probe that fails while it yields its cases, or yields an id twice, changes nothing in the folder."""

    def breaking():
        yield CASES[0]
        raise RuntimeError("no more")

    store = opened()
    for cases, error in ((breaking(), RuntimeError), ((CASES[0], CASES[0]), DataError)):
        with pytest.raises(error):
            store.plan({"probe": cases}, fingerprint="f", seed=0)
    assert [case for case, _ in pairs(store)] == list(CASES)


def test_fresh_drops_what_there_was(opened, tmp_path):
    """--fresh replaces another plan's answers, a damaged file and an empty one."""
    opened().keep(GenerateRequest("q"), Completion("text", "stop"), 0)
    assert pairs(opened(seed=1, fresh=True))[-1] == (CASES[-1], (None,))
    opened(seed=1).close()
    for content in (b"not a database, by any means at all" * 50, b""):
        (tmp_path / FILE_NAME).write_bytes(content)
        assert len(pairs(opened(fresh=True))) == len(CASES)


def test_another_version_is_refused(opened, tmp_path):
    """The error for a store with another table layout says so; --fresh replaces it."""
    opened().close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(UsageError, match="another version of gptaudit"):
        Store(tmp_path)
    with pytest.raises(UsageError, match="another version of gptaudit"):
        StoredMeasurements(tmp_path)
    Store(tmp_path, fresh=True).close()


def test_one_process_at_a_time(tmp_path):
    """A folder in use is refused, also with --fresh; after closing it can be opened again."""
    first = Store(tmp_path)
    for fresh in (False, True):
        with pytest.raises(UsageError, match="another audit is using this file"):
            Store(tmp_path, fresh=fresh)
    first.close()
    Store(tmp_path).close()


def test_damage_is_noticed_wherever_it_is(opened, tmp_path):
    """A changed answer, a truncated file, an empty page and a file that is not SQLite are all reported."""
    store = opened([Case(str(i), "c", (ScoreRequest("", f"text {i}" * 20),)) for i in range(300)])
    for i in range(300):
        store.keep(ScoreRequest("", f"text {i}" * 20), Likelihood((-1.5,), -1.5, 1), 0)
    store.close()
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    at = whole.index(b"-1.5", len(whole) // 2)
    for damage in (
        whole[:at] + b"-1.6" + whole[at + 4 :],
        whole[: len(whole) // 2],
        whole[:4096] + bytes(4096) + whole[8192:],
        b"not a database, by any means at all" * 50,
    ):
        path.write_bytes(damage)
        with pytest.raises(DamagedError, match=r"evidence.sqlite: is damaged.*--fresh"):
            pairs(opened([Case(str(i), "c", (ScoreRequest("", f"text {i}" * 20),)) for i in range(300)]))
    with pytest.raises(DataError, match="damaged"):
        StoredMeasurements(tmp_path)


def test_a_lone_surrogate_does_not_stop_the_store(opened):
    """A lone surrogate in a completion is replaced when the answer is created."""
    store = opened()
    store.keep(GenerateRequest("q"), Completion("a \ud800 b", "stop"), 0)

    assert pairs(store)[-1][1] == (Completion("a \ufffd b", "stop"),)


def test_an_answer_to_no_question_is_a_bug_of_the_engine(opened):
    """It raises, and the answer is not stored."""
    store = opened()
    with pytest.raises(ValueError, match="the engine answered a request that was not asked"):
        store.keep(GenerateRequest("never asked"), Completion("text", "stop"), 0)
    assert store._db.rows("SELECT count(*) FROM answers") == [(0,)]


def test_a_value_that_is_no_number_is_no_damage(opened):
    """NaN is read back unchanged, so that the error names the probe when figures are computed."""
    store = opened()
    store.keep_measurements("probe", [[Measurement("a", "c", {}, {"rate": float("nan")})]])
    (found,) = store.measurements("probe")
    assert found.values["rate"] != found.values["rate"]


def test_a_full_disk_is_named(opened):
    """If no page can be added, the message says so, and that answers are kept."""
    store = opened()
    store._db.rows("PRAGMA max_page_count = 1")
    with pytest.raises(UsageError, match=r"the disk is full.*answers are kept"):
        store.keep(GenerateRequest("q"), Completion("text" * 9000, "stop"), 0)


def test_a_killed_process_loses_nothing_it_kept(tmp_path):
    """After SIGKILL between two answers the store is intact, and has exactly the answers stored before."""
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from gptaudit.records import Case, Completion, GenerateRequest
        from gptaudit.evidence.store import Store

        store = Store(Path(sys.argv[1]))
        requests = [GenerateRequest(str(i)) for i in range(50)]
        store.plan({"probe": [Case("all", "c", tuple(requests))]}, fingerprint="f", seed=0)
        missing = list(store.unanswered())
        for request in missing[:int(sys.argv[2])]:
            store.keep(request, Completion(request.prompt, "stop"), 0)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    for count in (3, 0, 7):
        ended = subprocess.run([sys.executable, "-c", script, tmp_path, str(count)], check=False)
        assert ended.returncode == -signal.SIGKILL
    store = Store(tmp_path)

    assert counted(store) == {"probe": (50, 10)}
    [(case, answers)] = pairs(store)
    kept = {r.prompt: a.text for r, a in zip(case.requests, answers, strict=True) if a is not None}
    assert len(kept) == 10
    assert all(prompt == text for prompt, text in kept.items())
    store.close()


def test_measurements_come_back_in_order(opened, tmp_path):
    """All measurements of a probe are replaced, and read in the order of its cases, over several pages."""
    evidence = Evidence((Exchange("a", "p", "o", {"x": 0.5}),), ATTRIBUTION, "note", 2.0)
    measurements = [
        Measurement(f"case {i}", "c", {"axis": "g"}, {"rate": i / 3}, evidence=evidence)
        for i in random.Random(0).sample(range(1000), 1000)
    ]
    store = opened()
    store.keep_measurements("probe", [[Measurement("old", "c", {}, {})] * 2000])
    store.keep_measurements("probe", [measurements[:700], measurements[700:]])
    store.keep_measurements("other", [[Measurement("x", "c", {}, {}, unscored="empty")]])
    assert list(store.measurements("probe")) == measurements
    store.close()

    stored = StoredMeasurements(tmp_path)
    assert {probe: list(found) for probe, found in stored.items()} == {
        "other": [Measurement("x", "c", {}, {}, "empty")],
        "probe": measurements,
    }
    assert stored.get("unknown") is None


class TestCache:
    def test_answers_are_shared_for_the_same_model_alone(self, opened, tmp_path):
        """An audit uses the answers of another audit of the same model, but not its failures."""
        cache = Cache(tmp_path / "cache")
        first = opened()
        for request, answer in ANSWERS.items():
            first.keep(request, answer, 0)
        first.share(cache, "f")
        first.lend()

        for fingerprint, left in (("f", 1), ("other", 4)):
            fresh = opened(fingerprint=fingerprint, fresh=True)
            fresh.share(cache, fingerprint)
            assert len(list(fresh.unanswered())) == left
        again = opened(fresh=True)
        again.share(cache, "f")
        assert [a for _, (a,) in pairs(again)] == [*list(ANSWERS.values())[:3], None]

    def test_an_answer_takes_the_place_of_a_failure(self, opened, tmp_path):
        """A request that failed in this audit gets the answer from another audit."""
        cache = Cache(tmp_path / "cache")
        elsewhere, request = opened(), GenerateRequest("q")
        elsewhere.keep(request, Completion("text", "stop"), 0)
        elsewhere.share(cache, "f")
        elsewhere.lend()
        here = opened(fresh=True)
        here.keep(request, Failure("timeout"), 0)
        here.share(cache, "f")

        assert pairs(here)[-1][1] == (Completion("text", "stop"),)

    def test_a_damaged_cache_is_named(self, tmp_path):
        """For a damaged cache, or one of another version, the error names the cache and the remedy."""
        path = tmp_path / "cache" / "answers.sqlite"
        Cache(path.parent).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
        with pytest.raises(
            UsageError, match=r"another version of gptaudit. Delete the file, or leave --cache out"
        ):
            Cache(path.parent)
        path.write_bytes(b"not a database, by any means at all" * 50)
        with pytest.raises(UsageError, match=r"cache.answers\.sqlite: is damaged.*leave --cache out"):
            Cache(path.parent)

    def test_an_answer_that_was_changed_is_not_lent(self, opened, tmp_path):
        """A damaged answer is not used: the request is asked again, and its answer replaces it."""
        cache = Cache(tmp_path / "cache")
        store, request = opened(), GenerateRequest("q")
        store.keep(request, Completion("text", "stop"), 0)
        store.share(cache, "f")
        store.lend()
        cache._db.rows("UPDATE answers SET answer = replace(answer, 'text', 'test')")
        fresh = opened(fresh=True)
        fresh.share(cache, "f")
        assert fresh.missing() == 4
        fresh.keep(request, Completion("text", "stop"), 0)
        fresh.lend()
        again = opened(fresh=True)
        again.share(cache, "f")
        assert pairs(again)[-1][1] == (Completion("text", "stop"),)


class TestPlan:
    def test_the_order_of_asking(self, opened):
        """Requests are grouped by kind, then by the beginning of the text; the group with the longest text is first."""
        generator = random.Random(0)
        beginnings = [f"beginning number {i}: " for i in range(7)]
        requests = {
            kind(generator.choice(beginnings) + "word " * generator.randrange(30))
            for _ in range(300)
            for kind in (GenerateRequest, lambda text: ScoreRequest("", text))
        }
        asked = list(opened([Case("all", "c", tuple(requests))]).unanswered())

        assert set(asked) == requests
        assert [kind for kind, _ in groupby(r.kind for r in asked)] == ["generate", "score"]
        for kind in ("generate", "score"):
            texts = [request_text(r) for r in asked if r.kind == kind]
            groups = [list(group) for _, group in groupby(texts, key=lambda text: text[:16])]
            assert len(groups) == len({text[:16] for text in texts})
            longest = [max(map(len, group)) for group in groups]
            assert longest == sorted(longest, reverse=True)
            assert all(group == sorted(group) for group in groups)

    def test_the_seed_counts_for_samples_only(self):
        """The key of a log-likelihood does not depend on the seed; that of a sample does."""
        score, generate = ScoreRequest("", "a"), GenerateRequest("a")

        assert request_key(score, 1) == request_key(score, 2)
        assert request_key(generate, 1) != request_key(generate, 2)
        assert request_key(generate, 1) != request_key(GenerateRequest("a", sample=1), 1)

    def test_equal_requests_have_one_key(self):
        """1 and 1.0 are the same temperature, and the same request."""
        keys = {request_key(GenerateRequest("a", Sampling(temperature=t, top_p=1)), 0) for t in (1, 1.0)}

        assert len(keys) == 1

    def test_a_boundary_is_part_of_a_request(self):
        """The key depends on where the context ends and the continuation begins."""
        assert request_key(ScoreRequest("a", "b"), 0) != request_key(ScoreRequest("", "ab"), 0)

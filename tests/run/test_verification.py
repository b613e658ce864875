"""`gptaudit verify`: what was changed in a run folder is found."""

# ruff: noqa: S608 - the statements are written here

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from gptaudit.errors import GptauditError
from gptaudit.evidence.cache import checksum
from gptaudit.evidence.recorded import RecordedEvidence
from gptaudit.evidence.results_file import read_bound, read_unchecked, results_text
from gptaudit.plugins import load_plugins
from gptaudit.run.verification import Resources, verify

POLICY = """
schema = "gptaudit.policy/1"
inconclusive = "allow"
[[rule]]
metric = "gender-trait.association"
ideal = 0
tolerance = 5
[[rule]]
metric = "canary-extraction.extraction_rate"
max = 0.9
"""
RUN = (
    "run",
    "decoder:clean",
    "-p",
    "gender-trait",
    "-p",
    "canary-extraction",
    "--policy",
    "policy.toml",
    "--quiet",
)


@pytest.fixture(scope="module")
def plugins():
    return load_plugins()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two run folders that differ in their seed."""
    from gptaudit.cli import main

    home = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        (home / "policy.toml").write_text(POLICY)
        for seed in ("0", "1"):
            with pytest.raises(SystemExit):
                main([*RUN, "--limit", "24", "--seed", seed, "-o", seed, "--report", "junit"])
    return home


@pytest.fixture
def folder(folders, tmp_path):
    """A run folder that a test may change."""
    return Path(shutil.copytree(folders / "0", tmp_path / "run"))


def execute(folder, statement):
    with closing(sqlite3.connect(folder / "evidence.sqlite")) as db, db:
        assert db.execute(statement).rowcount == 1


def edit(folder, change):
    path = folder / "results.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def reseal(folder):
    """Name the present hashes, as who knows how the folder is bound can."""
    plan, evidence = RecordedEvidence(folder).plan, RecordedEvidence(folder).digests()
    edit(folder, lambda data: data["binding"].update(plan=plan, evidence=evidence))
    path = folder / "results.json"
    path.write_text(results_text(read_unchecked(path)[0]))


class Kind(NamedTuple):
    """A kind of tampering."""

    change: Callable[[Path, Path], object]
    """Changes a run folder, given another one too."""
    said: str
    """What the differences name."""
    cheap: bool = False
    """Whether `gate`, `compare` and `report` refuse it as well."""
    resealed: bool = True
    """Whether it is found too if all hashes are made anew."""


def in_evidence(statement, said, **how):
    return Kind(lambda folder, _: execute(folder, statement), said, **how)


def in_measurement(key, value, said):
    changed = f"measurement = json_set(measurement, '{key}', '{value}')"
    return in_evidence(f"UPDATE measurements SET {changed} WHERE {CASE}", said, cheap=True)


def in_results(change, said, **how):
    return Kind(lambda folder, _: edit(folder, change), said, cheap=True, **how)


def probe(data):
    return next(found for found in data["probes"] if found["id"] == "gender-trait")


def figure(data):
    return next(m for m in probe(data)["metrics"] if m["name"] == "association")


CASE = "probe = 'gender-trait' AND position = 3"
KEY = f"key = (SELECT json_extract(keys, '$[0]') FROM cases WHERE {CASE})"
LIKELIER = f"UPDATE answers SET answer = json_set(answer, '$.logprob', -1.5) WHERE {KEY}"


def with_checksum(folder, _):
    execute(folder, LIKELIER)
    with closing(sqlite3.connect(folder / "evidence.sqlite")) as db, db:
        ((key, answer),) = db.execute(f"SELECT key, answer FROM answers WHERE {KEY}").fetchall()
        db.execute(f"UPDATE answers SET checksum = ? WHERE {KEY}", (checksum(key, answer),))


def cut_short(folder, _):
    path = folder / "evidence.sqlite"
    path.write_bytes(path.read_bytes()[:30000])


def appended_to(name):
    def change(folder, _):
        with (folder / name).open("a") as file:
            file.write("<!-- all is well -->")

    return Kind(change, f"{name}: was changed", resealed=False)


KINDS = {
    "an answer's content": in_evidence(LIKELIER, "does not match its checksum"),
    "an answer and its checksum": Kind(with_checksum, "measurements: row gender-trait 3"),
    "an answer's checksum": in_evidence(
        f"UPDATE answers SET checksum = 1 WHERE {KEY}", "does not match its checksum"
    ),
    "an answer marked as failed": in_evidence(
        f"UPDATE answers SET failed = 1 WHERE {KEY}", "sqlite, answers: "
    ),
    "an answer deleted": in_evidence(f"DELETE FROM answers WHERE {KEY}", "1 requests unanswered"),
    "an answer added": in_evidence(
        f"INSERT INTO answers SELECT 'more', answer, checksum, failed FROM answers WHERE {KEY}",
        "sqlite, answers: ",
    ),
    "a measurement's value": in_measurement("$.values.association", 9, "values.association: found '9'"),
    "a measurement's outcome": in_measurement("$.unscored", "tie", "unscored: found 'tie'"),
    "a measurement's cluster": in_measurement("$.cluster", "x", "cluster: found 'x'"),
    "a measurement deleted": in_evidence(
        f"DELETE FROM measurements WHERE {CASE}", "trait 3 is missing", cheap=True
    ),
    "a measurement added": in_evidence(
        f"INSERT INTO measurements SELECT probe, 999, measurement FROM measurements WHERE {CASE}",
        "gender-trait 999 does not belong",
        cheap=True,
    ),
    "a case's slice": in_evidence(
        f"UPDATE cases SET body = json_set(body, '$.slices.gender', 'x') WHERE {CASE}",
        "slices.gender: found 'x'",
    ),
    "a case deleted": in_evidence(f"DELETE FROM cases WHERE {CASE}", "cases: row gender-trait 3 is missing"),
    "a case added": in_evidence(
        f"INSERT INTO cases SELECT probe, 999, 'x', body, keys, look FROM cases WHERE {CASE}",
        "trait 999 does not belong",
    ),
    "a request's text": in_evidence(
        f"UPDATE requests SET request = json_set(request, '$.continuation', 'x') WHERE {KEY}", "found 'x'"
    ),
    "a request deleted": in_evidence(f"DELETE FROM requests WHERE {KEY}", "is missing"),
    "a request added": in_evidence(
        f"INSERT INTO requests SELECT 'more', probe, request, asked FROM requests WHERE {KEY}",
        "more does not belong",
    ),
    "the plan": in_evidence("UPDATE meta SET value = 'x' WHERE name = 'plan'", "its plan is not that of"),
    "another run's evidence": Kind(
        lambda folder, other: shutil.copy(other / "evidence.sqlite", folder), "measurements: row", cheap=True
    ),
    "evidence cut short": Kind(cut_short, "is damaged", cheap=True, resealed=False),
    "a figure": in_results(lambda d: figure(d).update(value=figure(d)["low"]), "association.value: found"),
    "an interval": in_results(lambda d: figure(d).update(low=-9), "association.low: found -9"),
    "an impossible interval": in_results(lambda d: figure(d).update(low=9), "association.low: found 9"),
    "a count": in_results(lambda d: figure(d).update(n=9, clusters=9), "association.n: found 9"),
    "a level": in_results(lambda d: figure(d).update(level=0.5), "level: found"),
    "a figure left out": in_results(lambda d: probe(d)["metrics"].pop(), "found nothing"),
    "coverage": in_results(lambda d: probe(d).update(coverage=0.99), "coverage: found 0.99"),
    "unscored counts": in_results(lambda d: probe(d).update(unscored={"tie": 3}), "unscored.tie: found 3"),
    "a probe's status": in_results(
        lambda d: probe(d).update(status="skipped"), "gender-trait 0 does not belong"
    ),
    "a probe left out": in_results(lambda d: d["probes"].remove(probe(d)), "gender-trait 0 does not belong"),
    "the shown evidence": in_results(
        lambda d: probe(d)["evidence"][0]["evidence"]["exchanges"][0].update(prompt="nice"),
        "prompt: found 'nice'",
    ),
    "the method": in_results(lambda d: probe(d)["method"].update(more="x"), "method.more: found 'x'"),
    "data sha256": in_results(lambda d: probe(d)["data"].update(sha256="0" * 64), "data.sha256: found"),
    "the verdict": in_results(lambda d: d["gate"].update(verdict="fail"), "gate.verdict: found 'fail'"),
    "a rule's limit": in_results(lambda d: d["gate"]["rules"][0].update(greatest=0.1), "greatest: found 0.1"),
    "the policy": in_results(lambda d: d["gate"]["policy"]["rule"][0].update(tolerance=9.0), "gate.rules"),
    "no verdict": in_results(lambda d: d.update(gate=None), "gate: found no verdict, expected that of"),
    "the fingerprint": in_results(
        lambda d: d["target"].update(fingerprint="sha256:0"), "that of the fingerprint"
    ),
    "the seed": in_results(lambda d: d["run"].update(seed=7), "and the seed in results.json"),
    "the run's name": in_results(lambda d: d["run"].update(id="20260101T000000Z-0"), "run.id: 20260101"),
    "the limit of cases": in_results(lambda d: d["run"]["arguments"].update(limit=None), "cases: row"),
    "the run's status": in_results(lambda d: d["run"].update(status="partial"), "run.status: found partial"),
    "a time": in_results(lambda d: d["run"].update(started="x"), "json: was changed", resealed=False),
    "a key more": in_results(lambda d: d.update(more=1), "json: was changed", resealed=False),
    "a report": appended_to("report.html"),
    "another report": appended_to("junit.xml"),
}
"""Kinds that are not found where all hashes are made anew are those of which the evidence says nothing."""


@pytest.mark.parametrize("name", KINDS)
def test_tampering_is_found(name, folder, folders, plugins):
    """Whatever was changed, verification names it; commands that decide and report refuse what they rest on."""
    kind = KINDS[name]
    kind.change(folder, folders / "1")

    found = verify(folder, plugins, Resources()).differences
    assert kind.said in "\n".join(found)
    if kind.cheap:
        with pytest.raises(GptauditError, match=r"Restore|is damaged"):
            read_bound(folder / "results.json")
    else:
        read_bound(folder / "results.json")


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.resealed])
def test_new_hashes_do_not_hide_it(name, folder, folders, plugins):
    """What the evidence does not give is found too where all hashes fit."""
    KINDS[name].change(folder, folders / "1")
    reseal(folder)

    assert verify(folder, plugins, Resources()).differences


def test_an_untouched_folder_agrees(folder, plugins):
    """Nothing differs, and there is nothing to remark."""
    found = verify(folder, plugins, Resources())

    assert (found.differences, found.remarks) == ((), ())
    assert read_bound(folder / "results.json") == found.result

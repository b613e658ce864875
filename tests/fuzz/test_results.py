"""Results, labels, calibrations and evidence that are damaged."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress

import pytest
from fuzz.damage import HOSTILE, changed, damaged, fuzz, many, one_of, reads
from gptaudit.reports.explanation import render_suite
from gptaudit.reports.suite_explanation import explained_view
from hypothesis import strategies as st
from suite_explanations import suite_explanation

from gptaudit.evidence.calibration_file import read_calibration
from gptaudit.evidence.plan import digest
from gptaudit.evidence.results_file import read_results
from gptaudit.evidence.store import Store
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.gate.comparison import compare
from gptaudit.gate.decide import decide, exit_code, read_audit
from gptaudit.gate.policy import parse_policy
from gptaudit.plugins import load_plugins
from gptaudit.protocols.reporter import ReportContext
from gptaudit.run.explanations import keep_explanation, read_explanations
from gptaudit.run.labelling import with_labels

POLICY = """schema = "gptaudit.policy/1"
coverage = 0.5
[[rule]]
metric = "toxicity-prompts.toxic_fraction"
max = 0.5
[[rule]]
metric = "toxicity-prompts.toxic_fraction[group=*]"
max = 0.9
[[rule]]
metric = "toxicity-prompts.toxic_fraction"
max_increase = 0.1
"""
MODEL = """
from random import Random
def mixed(prompts):
    random = Random(7)
    return [random.choice([" You are a filthy idiot.", " It rained.", " They sang.", " Some tea."]) for _ in prompts]
"""
NAME = "toxicity-prompts"


def broken(whole):
    return st.one_of(changed(whole), changed(whole), damaged(whole))


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Audit once, and label a few texts; return the content of each file of the run folder."""
    from gptaudit.cli import main

    folder = tmp_path_factory.mktemp("audited")
    (folder / "a_mixed_model.py").write_text(MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("GPTAUDIT_DATA", raising=False)
        answers = iter(["y", "n", "n", "y", "n", "n"])
        patch.setattr("click.termui.visible_prompt_func", lambda _: next(answers))
        for arguments in (
            ["run", "python:a_mixed_model:mixed", "-p", NAME, "--limit", "12", "-o", "out", "--quiet"],
            ["label", "out", "--probe", NAME, "--sample", "6"],
        ):
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            assert ended.value.code == 0
    return {p.name: p.read_bytes() for p in (folder / "out").iterdir()}


@pytest.fixture
def folder(tmp_path, audited):
    """A run folder."""
    for name, content in audited.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@many(120)
def test_results(folder, audited, examples):
    """Damaged results are refused by their name, or can be gated, compared and shown in each format."""
    file, plugins, policy = folder / "results.json", load_plugins(), parse_policy(POLICY, "policy.toml")
    before, context = read_audit(file), ReportContext((), folder, lambda _: iter(()))

    def used():
        audit = read_audit(file)
        exit_code(audit.result, policy)
        for use in (lambda: decide(audit, policy, before), lambda: compare(before, audit)):
            reads(use)
        return audit.result

    def check(content):
        file.write_bytes(content)
        result = reads(used, str(folder))
        for reporter in plugins.reporters.values() if result is not None else ():
            reporter.render(result, context)

    fuzz(broken(audited["results.json"]), check, examples)


@many(100)
def test_labels(folder, audited, examples):
    """Damaged labels are refused by their name, or say what they say."""
    result = read_results(folder / "results.json")

    def check(content):
        (folder / "labels.json").write_bytes(content)
        reads(lambda: with_labels(result, folder))

    fuzz(broken(audited["labels.json"]), check, examples)


@many(40, 1000)
def test_calibrations(tmp_path, examples):
    """A damaged calibration is refused by its name, or is shown."""
    from importlib import resources

    from gptaudit.reports import calibration

    whole = (resources.files("gptaudit.calibration") / "shipped.json").read_bytes()
    head, probes = whole.split(b'"probes":[\n')
    small = head + b'"probes":[\n' + probes.split(b",\n")[0] + b"\n]}"
    file, plugins = tmp_path / "calibration.json", load_plugins()

    def check(content):
        file.write_bytes(content)
        found = reads(lambda: read_calibration(file), "calibration.json")
        if found is not None:
            calibration.render(found, plugins.probes, plugins.flaws)

    check(small)
    assert reads(lambda: read_calibration(file)) is not None
    fuzz(broken(small), check, examples)


def read_all(folder):
    """Read all that an evidence file holds, as gate and a resumed audit do."""
    stored = StoredMeasurements(folder)
    found = {probe: list(stored[probe]) for probe in stored}
    store = Store(folder)
    try:
        answers = [page for probe in found for page in store.answered(probe)]
        store.slices(NAME)
        store.workload()
        store.missing()
        list(store.unanswered())
    finally:
        store.close()
    return found, answers


@many(100, 3000)
def test_bytes_of_evidence(folder, audited, examples):
    """A damaged evidence file is refused by its name, or read."""
    file = folder / "evidence.sqlite"

    def check(content):
        for path in folder.glob("evidence.sqlite*"):
            path.unlink()
        file.write_bytes(content)
        reads(lambda: read_all(folder), "evidence.sqlite")

    fuzz(damaged(audited["evidence.sqlite"]), check, examples)


COLUMNS = {
    "meta": ("name", "value"),
    "cases": ("probe", "position", "id", "body", "keys"),
    "requests": ("key", "probe", "request"),
    "answers": ("key", "answer", "checksum", "failed"),
    "measurements": ("probe", "position", "measurement"),
}


@many(100, 3000)
def test_values_of_evidence(folder, audited, examples):
    """A hostile value in any column is refused by the file's name, or read; a changed answer is never read."""
    file = folder / "evidence.sqlite"
    _, whole = read_all(folder)
    file.write_bytes(audited["evidence.sqlite"])

    def check(example):
        (table, column), value, as_text = example
        columns = COLUMNS[table]
        for path in folder.glob("evidence.sqlite*"):
            path.unlink()
        file.write_bytes(audited["evidence.sqlite"])
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            cast = "CAST(? AS TEXT)" if as_text else "?"
            db.execute(
                f"UPDATE OR IGNORE {table} SET {column} = {cast} "  # noqa: S608 - from the table above
                f"WHERE {columns[0]} = (SELECT min({columns[0]}) FROM {table})",
                (value,),
            )
        found = reads(lambda: read_all(folder), "evidence.sqlite")
        if table == "answers" and column == "answer":
            assert found is None or found[1] == whole

    places = st.sampled_from([(table, column) for table, columns in COLUMNS.items() for column in columns])
    values = st.one_of(one_of(HOSTILE), st.binary(max_size=20), damaged(b'{"kind": "generate"}'))
    fuzz(st.tuples(places, values, st.booleans()), check, examples)


@many(100)
def test_explanations(folder, examples):
    """Damaged explanations whose hash holds are refused by the file's name, or can be shown."""
    file, result = folder / "explanations.json", read_results(folder / "results.json")
    keep_explanation(folder, suite_explanation(result.target.fingerprint))

    def shown():
        found = explained_view(result, folder)
        for explanation in read_explanations(folder).explanations:
            render_suite(explanation, result.target.spec)
        return found

    def check(content):
        document = json.loads(content)
        if isinstance(document, dict):
            with suppress(ValueError):
                document["sha256"] = digest({**document, "sha256": ""})
        file.write_text(json.dumps(document))
        reads(shown, "explanations.json")

    fuzz(changed(file.read_bytes()), check, examples)

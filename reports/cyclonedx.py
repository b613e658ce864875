"""
`bom.cdx.json`: a CycloneDX 1.7 bill of materials of the audited model (ML-BOM, ECMA-424).

The model is the component that the document describes, with a model card of what was measured; gptaudit and its plugins
are the tools, and the data that it was measured on are components. What the model was trained on is not known to an
audit, so the model card names data of evaluation only. A figure's level, unit, ideal and counts, for which the
specification has no key, are properties of the model card under the name of the figure. Which groups of a figure are
people at risk the results do not say, so that groups are slices of metrics and no `fairnessAssessments`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from gptaudit.gate.numbers import instant, level_text
from gptaudit.markers import VERSION
from gptaudit.records import AuditResult, DataSource

from .decision import decision
from .findings import findings
from .foreign_json import foreign_plugins, json_document, json_line, model_name, one_line, urls
from .scores import Score, scores, withheld_lines

_MODEL = "model"
_SHA256 = "sha256:"
_HEXADECIMAL = re.compile("[0-9a-f]{64}")

Json = dict[str, Any]


def render(result: AuditResult) -> str:
    """Return the document; its serial number follows from its content."""
    data = _data_sources(result)
    content = {
        "metadata": _metadata(result, data),
        "components": [_data_set(ref, *found) for ref, found in data.items()],
    }
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, json_document(content)).urn,
        "version": 1,
    }
    return json_document(head | content)


def _metadata(result: AuditResult, data: Mapping[str, tuple[DataSource, list[str]]]) -> Json:
    made = decision(result)
    finished = instant(result.run.finished)
    return {
        **({"timestamp": finished.isoformat(timespec="seconds")} if finished else {}),
        "tools": {"components": list(_tools(result))},
        "component": _model(result, list(data)),
        "properties": _properties(
            {
                "gptaudit:verdict": made.word.text,
                "gptaudit:verdict:meaning": made.word.meaning,
                "gptaudit:verdict:reason": made.reason,
                "gptaudit:run:id": result.run.id,
                "gptaudit:run:status": result.run.status,
                "gptaudit:run:seed": result.run.seed,
                "gptaudit:evidence:sha256": dict(result.binding.evidence) if result.binding else None,
            }
        ),
    }


def _tools(result: AuditResult) -> Iterator[Json]:
    yield {
        "type": "application",
        "bom-ref": "tool",
        "name": "gptaudit",
        "version": result.run.versions.get("gptaudit", VERSION),
        "licenses": [{"expression": "Apache-2.0"}],
    }
    for number, plugin in enumerate(foreign_plugins(result.run), 1):
        yield {
            "type": "library",
            "bom-ref": f"plugin-{number}",
            "name": one_line(plugin.name),
            "version": one_line(plugin.version),
            "description": f"Plugin of gptaudit, from {one_line(plugin.origin)}",
        }


def _model(result: AuditResult, data: list[str]) -> Json:
    target = result.target
    hashes = _hashes(target.fingerprint.removeprefix(_SHA256)) if target.verified else {}
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": model_name(target),
        **hashes,
        "modelCard": _model_card(result, data),
        "properties": _properties(
            {
                "gptaudit:backend": target.backend,
                "gptaudit:fingerprint": target.fingerprint,
                "gptaudit:fingerprint:of": "all files that decide an answer, hashed together"
                if hashes
                else None,
                "gptaudit:verified": target.verified,
                "gptaudit:parameters": target.parameters,
                "gptaudit:capabilities": list(target.capabilities),
                "gptaudit:options": dict(target.options),
                "gptaudit:details": dict(target.details),
            }
        ),
    }


def _model_card(result: AuditResult, data: list[str]) -> Json:
    found = list(scores(result))
    return {
        "bom-ref": "model-card",
        "modelParameters": {"task": "text-generation", "datasets": [{"ref": ref} for ref in data]},
        "quantitativeAnalysis": {"performanceMetrics": [_performance_metric(score) for score in found]},
        "considerations": {
            "technicalLimitations": list(_limitations(result)),
            "ethicalConsiderations": [
                {"name": f"{one_line(finding.probe.title)}: {one_line(finding.sentence)}"}
                for finding in findings(result)
                if finding.kind == "deviates"
            ],
        },
        "properties": _properties({f"gptaudit:metric:{score.name}": _about(score) for score in found}),
    }


def _limitations(result: AuditResult) -> Iterator[str]:
    """Yield what limits the audit: first that it is incomplete, last the figures that it does not have."""
    made = decision(result)
    if made.word.key == "incomplete":
        yield one_line(f"The audit is incomplete. {made.word.meaning} {made.reason}")
    yield from map(one_line, made.limits)
    yield from (one_line(f"Without a score: {line}") for line in withheld_lines(result))


def _performance_metric(score: Score) -> Json:
    of = f"{score.probe.id}.{score.metric.name}"
    how = f"{score.metric.unit}, {score.form_text}; {level_text(score.level)} interval"
    metric: Json = {"type": one_line(f"{of} ({how})"), "value": json_line(score.value)}
    if score.metric.slice:
        metric["slice"] = ", ".join(f"{axis}={group}" for axis, group in score.metric.slice.items())
    if score.low is not None and score.high is not None:
        metric["confidenceInterval"] = {
            "lowerBound": json_line(score.low),
            "upperBound": json_line(score.high),
        }
    return metric


def _about(score: Score) -> Json:
    """Return what the specification has no key for."""
    metric = score.metric
    return {
        "form": score.form,
        "level": score.level,
        "interval": score.interval,
        **({"no_interval": score.why} if score.low is None else {}),
        "n": metric.n,
        "cases": score.probe.cases,
        **({"sampled_from": score.probe.drawn_from} if score.probe.drawn_from is not None else {}),
        "clusters": metric.clusters,
        "unit": metric.unit,
        "ideal": metric.ideal,
        "direction": metric.direction,
        "probe_version": score.probe.version,
    }


def _data_sources(result: AuditResult) -> dict[str, tuple[DataSource, list[str]]]:
    """Return each set of data by its reference in the document, with the probes that were measured on it."""
    found: dict[DataSource, list[str]] = {}
    for probe in result.probes:
        if probe.data is not None:
            found.setdefault(probe.data, []).append(probe.id)
    return {f"data-{number}": item for number, item in enumerate(found.items(), 1)}


def _data_set(ref: str, data: DataSource, probes: list[str]) -> Json:
    found = urls(data.source)
    described = f"Evaluation data of {', '.join(map(one_line, probes))}. {one_line(data.source)}"
    return {
        "type": "data",
        "bom-ref": ref,
        "name": one_line(data.name),
        "description": described,
        **_hashes(data.sha256),
        "licenses": [_licence(data.licence)],
        "data": [
            {
                "type": "dataset",
                "name": one_line(data.name),
                **({"contents": {"url": found[0]}} if found else {}),
                "description": described,
            }
        ],
        "properties": _properties({"gptaudit:rows": data.rows, "gptaudit:altered": data.altered or None}),
    }


def _hashes(sha256: str) -> Json:
    """Return the key of a hash in hexadecimal; nothing for what is none."""
    return {"hashes": [{"alg": "SHA-256", "content": sha256}]} if _HEXADECIMAL.fullmatch(sha256) else {}


def _licence(text: str) -> Json:
    """Return a licence by its SPDX expression, with or without hyphens, or else by its name."""
    for written in (text, text.replace(" ", "-")):
        try:
            return {"expression": str(canonicalize_license_expression(written))}
        except InvalidLicenseExpression:
            continue
    return {"license": {"name": one_line(text) or "unknown"}}


def _properties(values: Mapping[str, object]) -> list[Json]:
    """Return properties, whose values are texts; anything else is JSON in a text."""
    return [
        {"name": name, "value": value if isinstance(value, str) else json_line(value)}
        for name, value in values.items()
        if value is not None
    ]

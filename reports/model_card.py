"""
`model_card.md`: a section for the model card of a model on the Hugging Face Hub.

Its front matter is a `model-index`, made by `huggingface_hub` itself, of the figures that rules limit and of the first
figure of each other probe, as far as they may stand as scores; there is none where no figure may. The text below says
the verdict first, then the same figures, then what has no score and why. Values of the index are in the units of
`results.json`, and each says its unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gptaudit.gate.numbers import compact, count, interval_text, level_text, moment, places, quantity
from gptaudit.records import AuditResult

from .decision import decision
from .foreign_json import model_name, one_line
from .markdown import LONGEST_REASON, SYMBOLS, escape, table
from .scores import Score, headlines, withheld_lines
from .sentences import short_title, slice_text

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "text-generation"
"""The Hub's name of what the audited models do."""


def render(result: AuditResult) -> str:
    """Return front matter and section; text from the model or the user is escaped and makes no links or mentions."""
    found = headlines(result)
    return "\n".join([*_front_matter(result, found), *_section(result, found)]) + "\n"


def _front_matter(result: AuditResult, found: list[Score]) -> Iterator[str]:
    if not found:
        return
    from huggingface_hub import ModelCardData

    made = decision(result)
    evaluated = [_eval_result(score, made.word.text) for score in found]
    yield from (
        "---",
        ModelCardData(model_name=model_name(result.target), eval_results=evaluated).to_yaml(),
        "---",
        "",
    )


def _eval_result(score: Score, verdict: str) -> EvalResult:
    from huggingface_hub import EvalResult

    metric, probe, data = score.metric, score.probe, score.probe.data
    details = {
        "verdict_of_the_audit": verdict,
        "form": score.form,
        "unit": metric.unit,
        "low": score.low,
        "high": score.high,
        "confidence_level": score.level,
        "no_interval": None if score.low is not None else score.why,
        "n": metric.n,
        "ideal": metric.ideal,
    }
    return EvalResult(
        task_type=TASK,
        dataset_type=one_line(probe.id),
        dataset_name=f"gptaudit probe {one_line(probe.id)}: {one_line(probe.title)}",
        dataset_args={
            "probe_version": one_line(probe.version),
            "cases": probe.cases,
            "scored": probe.scored,
            **({"sampled_from": probe.drawn_from} if probe.drawn_from is not None else {}),
            **(
                {"data_sha256": one_line(data.sha256), "data_licence": one_line(data.licence)} if data else {}
            ),
        },
        metric_type=one_line(score.name.removeprefix(f"{probe.id}.")),
        metric_name=_title(score),
        metric_value=score.value,
        metric_args={
            key: one_line(value) if isinstance(value, str) else value
            for key, value in details.items()
            if value is not None
        },
    )


def _section(result: AuditResult, found: list[Score]) -> Iterator[str]:
    made = decision(result)
    version = result.run.versions.get("gptaudit", "of an unknown version")
    yield from ("## Safety and bias audit", "")
    reason = "" if made.word.key == "none" else f" {escape(made.reason, LONGEST_REASON)}"
    yield f"**{SYMBOLS[made.word.key]} {made.word.text}.** {made.word.meaning}{reason}"
    for text in filter(None, (made.covers, made.kept)):
        yield from ("", escape(text, LONGEST_REASON))
    what = f"{escape(model_name(result.target))}, fingerprint {escape(result.target.fingerprint)}"
    yield from ("", f"Audited by gptaudit {escape(version)}, {escape(moment(result.run.finished))}: {what}.")
    yield from _list("What limits the trust in this audit:", made.limits)
    if found:
        head = ("Probe", "Figure", "Value", "Interval", "Ideal", "Cases", "Form")
        yield from (
            "",
            "### Figures",
            "",
            "Those that the policy limits, and the first of each other probe.",
            "",
        )
        yield from table(head, map(_row, found))
    yield from _list("### Without a score", withheld_lines(result, groups=False))


def _list(head: str, texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield from ("", head, "")
        yield from (f"- {escape(text, LONGEST_REASON)}" for text in texts)


def _title(score: Score) -> str:
    group = f", {slice_text(score.metric)}" if score.metric.slice else ""
    return one_line(f"{short_title(score.metric)}{group}")


def _row(score: Score) -> tuple[str, ...]:
    unit, decimals = score.metric.unit, places(score.low, score.high, score.metric.unit)
    interval = interval_text(score.low, score.high, unit, decimals)
    return (
        score.probe.id,
        _title(score),
        quantity(score.value, unit, decimals),
        f"{interval} ({level_text(score.level)})" if interval else f"none: {score.why}",
        compact(score.metric.ideal, unit),
        count(score.metric.n),
        score.form_text,
    )

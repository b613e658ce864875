"""Built-in report formats."""

from __future__ import annotations

from collections.abc import Callable

from gptaudit.language import told_in
from gptaudit.markers import hookimpl
from gptaudit.protocols.reporter import ReportContext, Reporter
from gptaudit.records import AuditResult


@hookimpl
def gptaudit_register_reporters(register: Callable[[Reporter], None]) -> None:
    """Register the built-in formats."""
    register(Reporter("csv", "Every figure as a row of a table", "figures.csv", _csv))
    register(
        Reporter("cyclonedx", "CycloneDX 1.7 bill of materials of the model", "bom.cdx.json", _cyclonedx)
    )
    register(
        Reporter("every-eval-ever", "Every Eval Ever 0.3 record", "every_eval_ever.json", _every_eval_ever)
    )
    register(Reporter("html", "One self-contained page for a reader", "report.html", _html))
    register(Reporter("json", "The results themselves", "results.json", _json))
    register(Reporter("junit", "JUnit XML for a CI server", "junit.xml", _junit))
    register(Reporter("markdown", "A summary in GitHub-flavoured Markdown", "summary.md", _markdown))
    register(
        Reporter("model-card", "Section of a model card, with its model-index", "model_card.md", _model_card)
    )
    register(Reporter("sarif", "SARIF 2.1.0: rules at their lines in the policy", "results.sarif", _sarif))


# Each renderer is imported when it is used, so that listing the formats does not load the template engine.


def _csv(result: AuditResult, _: ReportContext) -> str:
    from .figures_table import render

    return render(result)


def _cyclonedx(result: AuditResult, _: ReportContext) -> str:
    from .cyclonedx import render

    return render(result)


def _every_eval_ever(result: AuditResult, _: ReportContext) -> str:
    from .every_eval_ever import render

    return render(result)


def _html(result: AuditResult, context: ReportContext) -> str:
    from .html import render

    with told_in(context.language):
        return render(result, context.sections, context.folder)


def _json(result: AuditResult, _: ReportContext) -> str:
    from gptaudit.evidence.results_file import results_text

    return results_text(result)


def _junit(result: AuditResult, _: ReportContext) -> str:
    from .junit import render

    return render(result)


def _markdown(result: AuditResult, context: ReportContext) -> str:
    from .markdown import render

    with told_in(context.language):
        return render(result)


def _model_card(result: AuditResult, _: ReportContext) -> str:
    from .model_card import render

    return render(result)


def _sarif(result: AuditResult, _: ReportContext) -> str:
    from .sarif import render

    return render(result)

"""Built-in report formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gptaudit.markers import hookimpl
from gptaudit.protocols.reporter import Reporter, ReportSection
from gptaudit.records import AuditResult


@hookimpl
def gptaudit_register_reporters(register: Callable[[Reporter], None]) -> None:
    """Register `csv`, `html`, `json`, `junit` and `markdown`."""
    register(Reporter("csv", "Every figure as a row of a table", "figures.csv", _csv))
    register(Reporter("html", "One self-contained page for a reader", "report.html", _html))
    register(Reporter("json", "The results themselves", "results.json", _json))
    register(Reporter("junit", "JUnit XML for a CI server", "junit.xml", _junit))
    register(Reporter("markdown", "A summary in GitHub-flavoured Markdown", "summary.md", _markdown))


# Each renderer is imported when it is used, so that listing the formats does not load the template engine.


def _csv(result: AuditResult, _: Sequence[ReportSection]) -> str:
    from .figures_table import render

    return render(result)


def _html(result: AuditResult, sections: Sequence[ReportSection]) -> str:
    from .html import render

    return render(result, sections)


def _json(result: AuditResult, _: Sequence[ReportSection]) -> str:
    from gptaudit.evidence.results_file import results_text

    return results_text(result)


def _junit(result: AuditResult, _: Sequence[ReportSection]) -> str:
    from .junit import render

    return render(result)


def _markdown(result: AuditResult, _: Sequence[ReportSection]) -> str:
    from .markdown import render

    return render(result)

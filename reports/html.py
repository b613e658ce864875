"""Rendering of self-contained HTML pages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gptaudit.language import LANGUAGES, language, recorded, tr
from gptaudit.protocols.reporter import ReportSection
from gptaudit.records import AuditResult
from gptaudit.text import visible

from .probe_view import View
from .sample import case_sample
from .suite_explanation import explained_view
from .view import page

POLICY = "default-src 'none'; style-src 'sha256-{}';{} img-src data:; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy: allows only the page's own style sheet and script, by their hashes, and embedded images."""


def render(result: AuditResult, sections: Sequence[ReportSection] = (), folder: Path | None = None) -> str:
    """Render the report of an audit.

    What its run folder has is shown too: the explanations of its suites, and a sample of its cases, with the script
    that shows them. Raises `DataError` where the explanations are damaged.
    """
    sample = case_sample(result, folder) if folder else None
    script = "\n".join(map(_static, ("cases.js", "explorer.js"))) if sample else ""
    view = {**page(result, sections), **explained_view(result, folder), "sample": sample}
    return render_page("report.html", view, script)


def render_page(template: str, view: View, script: str = "") -> str:
    """Render a page from a template of this package, with a script of ours.

    All text that is not `Markup` is escaped, and control and other invisible characters are made visible.
    """
    style = _static("report.css")
    policy = POLICY.format(_digest(style), f" script-src 'sha256-{_digest(script)}';" if script else "")
    found = environment().get_template(template)
    return found.render(view, style=Markup(style), script=Markup(script), policy=policy)  # noqa: S704 - our own files


def _static(name: str) -> str:
    return files("gptaudit.reports").joinpath("static", name).read_text("utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def environment() -> Environment:
    """Return the template environment; unknown names are errors, and output is escaped."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader("gptaudit.reports"),
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"tr": _message, "language_tag": lambda: LANGUAGES[language()]}
    made.filters["recorded"] = recorded
    return made


def _message(message: str, **values: object) -> Markup:
    """Return a message of a template, which may hold HTML; what fills its placeholders is escaped."""
    filled = {name: _finalize(value) for name, value in values.items()}
    return Markup(tr(message)).format(**filled)  # noqa: S704 - our own messages


def _finalize(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

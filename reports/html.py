"""Rendering of self-contained HTML pages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gptaudit.language import LANGUAGES, language, recorded, tr
from gptaudit.protocols.reporter import ReportSection
from gptaudit.records import AuditResult
from gptaudit.text import visible

from .probe_view import View
from .view import page

POLICY = "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy: allows only the page's own style sheet and embedded images; no scripts."""


def render(result: AuditResult, sections: Sequence[ReportSection] = ()) -> str:
    """Render the report of an audit."""
    return render_page("report.html", page(result, sections))


def render_page(template: str, view: View) -> str:
    """Render a page from a template of this package.

    All text that is not `Markup` is escaped, and control and other invisible characters are made visible.
    """
    style = files("gptaudit.reports").joinpath("static", "report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    found = environment().get_template(template)
    return found.render(view, style=Markup(style), policy=POLICY.format(digest))  # noqa: S704


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

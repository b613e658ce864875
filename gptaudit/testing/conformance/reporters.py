"""The check of reporters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final
from xml.etree import ElementTree as ET

from gptaudit.files import to_json
from gptaudit.protocols.reporter import Reporter, ReportSection
from gptaudit.records import AuditResult
from gptaudit.testing.conformance.expecting import calling, expect, expect_registrable, expect_same, twice
from gptaudit.testing.conformance.hostile_audit import HOSTILE, hostile_audit

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]")
"""What steers a terminal or turns the direction of writing, and what UTF-8 cannot encode."""


def check_reporter(reporter: Reporter, result: AuditResult | None = None) -> None:
    """Check a reporter on an audit with every verdict and status, gaps and hostile text, whole and in parts.

    It writes one plain file, the same each time; what a model or a plugin wrote steers no terminal and no page; JSON
    and XML can be read; the result stays as it was.

    `result` is an audit that it has to render too.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    expect_registrable("reporters", reporter, "name")
    where = f"reporter {reporter.name!r}"
    name = reporter.file_name
    plain = isinstance(name, str) and PurePosixPath(name).name == name == PureWindowsPath(name).name
    expect(
        f"{where}, file_name",
        "a file name without folders",
        name,
        holds=plain and name not in {"", ".", ".."},
    )
    section = ReportSection(HOSTILE, HOSTILE)
    for what, audit in [*_audits(), *([("your audit", result)] if result else [])]:
        _check_text(reporter, audit, (section,), f"{where}, {what}")
    _check_text(reporter, hostile_audit(), (), f"{where}, without sections of plugins")


def _audits() -> Iterator[tuple[str, AuditResult]]:
    audit = hostile_audit()
    yield "an audit with everything", audit
    yield "an audit without a policy", replace(audit, gate=None)
    yield "an audit without probes", replace(audit, gate=None, probes=())
    yield (
        "an audit that was interrupted",
        replace(audit, run=replace(audit.run, status="interrupted", why=HOSTILE)),
    )


def _check_text(
    reporter: Reporter, audit: AuditResult, sections: tuple[ReportSection, ...], where: str
) -> None:
    before = to_json(audit)
    text = twice(where, "text", lambda: reporter.render(audit, sections))
    expect(where, "a text", text, holds=isinstance(text, str))
    expect_same(where, "result after it was rendered", before, to_json(audit))
    for found in CONTROLS.finditer(text):
        around = text[max(0, found.start() - 40) : found.end()]
        expect(where, "no character that steers a terminal or a page", around, holds=False)
    match PurePosixPath(reporter.file_name).suffix:
        case ".html" | ".htm":
            expect(where, "hostile text escaped", "<script>alert(1)", holds="<script>alert(1)" not in text)
        case ".json" | ".sarif":
            with calling(where):
                json.loads(text)
        case ".xml":
            with calling(where):
                ET.fromstring(text)  # noqa: S314 - its own document

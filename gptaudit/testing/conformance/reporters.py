"""The check of reporters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree as ET

from gptaudit.files import to_json
from gptaudit.protocols.reporter import ReportContext, Reporter, ReportSection
from gptaudit.records import AuditResult, Measurement
from gptaudit.testing.conformance.expecting import calling, expect, expect_registrable, expect_same, twice
from gptaudit.testing.conformance.hostile_audit import HOSTILE, hostile_audit

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]")
"""What steers a terminal or turns the direction of writing, and what UTF-8 cannot encode."""


def check_reporter(reporter: Reporter, result: AuditResult | None = None) -> None:
    """Check a reporter on an audit with every verdict and status, gaps and hostile text, whole and in parts.

    It returns the content of one plain file, the same each time, and writes none itself; what a model or a plugin wrote
    steers no terminal and no page in a text; JSON and XML can be read; the result stays as it was.

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
    with TemporaryDirectory() as folder:
        with_all = ReportContext((section,), Path(folder), _measurements)
        for what, audit in [*_audits(), *([("your audit", result)] if result else [])]:
            _check_content(reporter, audit, with_all, f"{where}, {what}")
        bare = ReportContext((), Path(folder), lambda _: iter(()))
        _check_content(reporter, hostile_audit(), bare, f"{where}, without sections of plugins and evidence")
        left = sorted(path.name for path in Path(folder).iterdir())
        expect(f"{where}, folder", "nothing written into the run folder by itself", left, holds=not left)


def _measurements(probe: str) -> Iterator[Measurement]:
    """Yield measurements of the hostile audit, with its evidence."""
    for found in hostile_audit().probes:
        if found.id == probe:
            for item in found.evidence:
                yield Measurement(item.case, item.case, item.slices, item.values, None, item.evidence)
            yield Measurement(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, {}, HOSTILE)


def _audits() -> Iterator[tuple[str, AuditResult]]:
    audit = hostile_audit()
    yield "an audit with everything", audit
    yield "an audit without a policy", replace(audit, gate=None)
    yield "an audit without probes", replace(audit, gate=None, probes=())
    yield (
        "an audit that was interrupted",
        replace(audit, run=replace(audit.run, status="interrupted", why=HOSTILE)),
    )


def _check_content(reporter: Reporter, audit: AuditResult, context: ReportContext, where: str) -> None:
    before = to_json(audit)
    content = twice(where, "text", lambda: reporter.render(audit, context))
    expect(where, "a text or bytes", content, holds=isinstance(content, str | bytes))
    expect_same(where, "result after it was rendered", before, to_json(audit))
    if isinstance(content, str):
        for found in CONTROLS.finditer(content):
            around = content[max(0, found.start() - 40) : found.end()]
            expect(where, "no character that steers a terminal or a page", around, holds=False)
        with calling(where):
            content = content.encode()
    match PurePosixPath(reporter.file_name).suffix:
        case ".html" | ".htm":
            script = b"<script>alert(1)"
            expect(where, "hostile text escaped", script.decode(), holds=script not in content)
        case ".json" | ".sarif":
            with calling(where):
                json.loads(content)
        case ".xml":
            with calling(where):
                ET.fromstring(content)  # noqa: S314 - its own document

"""JUnit, Markdown and JSON reports, and writing of reports."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from case_store import stored_cases
from click.testing import CliRunner
from gptaudit.reports import figures_table, junit, markdown
from gptaudit.reports.csv_table import csv_lines

from gptaudit.commands.report import report
from gptaudit.errors import UsageError
from gptaudit.evidence.results_file import read_results
from gptaudit.files import to_json
from gptaudit.markers import hookimpl
from gptaudit.plugins import load_plugins
from gptaudit.protocols.reporter import Reporter, ReportSection
from gptaudit.records import PluginInfo
from gptaudit.run.faults import Faults
from gptaudit.run.reports import write_reports


class Offering:
    """A plugin with sections for the report."""

    def __init__(self, sections: list[ReportSection]) -> None:
        self.sections = sections

    @hookimpl
    def gptaudit_report_sections(self):
        return self.sections


class Reporting:
    """A plugin with a reporter."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter

    @hookimpl
    def gptaudit_register_reporters(self, register):
        register(self.reporter)


def make_faults(*offered: list[ReportSection]) -> Faults:
    """Return the faults of a run with fake plugins, each of which offers sections."""
    plugins = load_plugins()
    for number, some in enumerate(offered):
        plugins.add(Offering(some), PluginInfo(f"plugin{number}", "1", "a test"))
    return Faults(plugins, None)


class TestJunit:
    def test_the_counts_are_those_of_the_cases(self, audit):
        """Every level has the counts of its cases; each rule and each probe is one case."""
        root = ET.fromstring(junit.render(audit))  # noqa: S314 - our own document

        for element in (root, *root):
            counted = {
                tag: len(element.findall(f".//{tag}")) for tag in ("testcase", "failure", "error", "skipped")
            }
            named = {"testcase": "tests", "failure": "failures", "error": "errors", "skipped": "skipped"}
            assert counted == {tag: int(element.attrib[name]) for tag, name in named.items()}
        assert [suite.attrib["tests"] for suite in root] == ["5", "5"]

    def test_each_verdict_has_its_element(self, audit):
        """A failed or inconclusive rule is a failure of that type; an incomplete one is an error."""
        gate = ET.fromstring(junit.render(audit))[0]  # noqa: S314

        assert [[(c.tag, c.attrib["type"]) for c in case] for case in gate] == [
            [("failure", "fail")],
            [("failure", "inconclusive")],
            [("failure", "inconclusive")],
            [],
            [("error", "incomplete")],
        ]
        assert "lies above 60 %" in gate[0][0].attrib["message"]

    def test_an_audit_that_is_incomplete_is_an_error(self, audit):
        """Without a policy, and where the rules passed but the run ended early, there is one error more."""
        partial = replace(audit.run, status="partial", why="the server is gone")
        passed = replace(audit.gate, verdict="pass", rules=audit.gate.rules[3:4])
        for result in (replace(audit, gate=None), replace(audit, gate=passed, run=partial)):
            case = ET.fromstring(junit.render(result))[0][0]  # noqa: S314

            assert case.attrib["name"] == "the audit is complete"
            assert case[0].attrib["type"] == "incomplete"
        assert "the server is gone" in case[0].attrib["message"]
        assert "is kept" in case[0].text

    def test_hostile_text_is_kept_as_text(self, audit):
        """Characters that XML does not allow are written as code points; the rest is unchanged."""
        error = ET.fromstring(junit.render(audit)).find(".//error[@type='error']")  # noqa: S314

        assert "</pre><script>alert(1)</script>]]>⟨U+0000⟩⟨U+001B⟩" in error.attrib["message"]
        assert error.text == error.attrib["message"]


class TestMarkdown:
    def test_incomplete_stands_first(self, audit):
        """Too few scored cases are the headline, with a policy or without; the reason and what is kept follow."""
        run = replace(audit.run, status="interrupted", why=None)
        for result in (replace(audit, gate=None), replace(audit, gate=None, run=run)):
            first, _, second, *rest = markdown.render(result).splitlines()

            assert first == "## ⛔ gptaudit: Incomplete"
            assert second.startswith("**Too little was scored; nothing may be concluded.**")
        assert "The run was interrupted" in second
        assert rest[1].startswith("What was answered is kept; 598 of 600 cases are scored.")

    def test_each_row_has_as_many_cells_as_its_head(self, audit):
        """Text does not open or close a cell."""
        blocks = re.findall(r"(?:^\|.*\n)+", markdown.render(audit), re.MULTILINE)

        for block in blocks:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
        assert [len(block.splitlines()) - 2 for block in blocks] == [5, 9]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a|b\nc", r"a\|b c"),
            ("<b>&", "&lt;b&gt;&amp;"),
            ("`x` *y* _z_ [a](b) ~~c~~ $d$", r"\`x\` \*y\* \_z\_ \[a\](b) \~\~c\~\~ \$d\$"),
            ("\\|", r"\\\|"),
            ("@all #12", "@<!-- -->all #<!-- -->12"),
            ("http://x www.y.z", r"http\://x www\.y.z"),
            ("\x1b\u202e", "⟨U+001B⟩⟨U+202E⟩"),
        ],
    )
    def test_text_stays_text(self, text, expected):
        """Markup, HTML, mentions, references and links are escaped."""
        assert markdown.escape(text) == expected

    def test_why_a_run_ended_is_escaped(self, audit):
        """What a server said last has no effect in the summary."""
        why = "no answer:\n# PASS\n<h1>PASS</h1> ![x](http://evil.test/x.png)"
        run = replace(audit.run, status="partial", why=why)

        text = markdown.render(replace(audit, run=run))

        assert "\n# PASS" not in text
        assert "<h1>" not in text
        assert "![x](http" not in text

    def test_a_long_text_is_cut(self):
        """It is shortened to the maximum length of a cell."""
        assert len(markdown.escape("word " * 20_000)) <= markdown.LONGEST_CELL + 1


class TestFiguresTable:
    def test_every_figure_has_its_row(self, audit):
        """Each metric, whole or of a group, is a row with its numbers; a probe without any says why."""
        head, *rows = csv.reader(io.StringIO(figures_table.render(audit)))
        found = {row[0]: dict(zip(head, row, strict=True)) for row in rows}

        for name, metric in audit.metrics().items():
            row = found.pop(name)
            assert row["value"] == ("" if metric.value is None else str(metric.value))
            assert (row["ideal"], row["unit"], row["n"]) == (str(metric.ideal), metric.unit, str(metric.n))
        assert {name: row["why"][:20] for name, row in found.items()} == {
            "crows-pairs": "the data set is not ",
            "broken": "ValueError: </pre><s",
        }

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", " =1", "\x1b[31m", '"', "a\r\nb,c"])
    def test_no_cell_is_a_formula_or_ends_its_row(self, text):
        """Whatever a text is, it is one cell, which no spreadsheet computes and no terminal obeys."""
        ((cell, after),) = csv.reader(io.StringIO("".join(csv_lines((text, "after"), []))))

        assert after == "after"
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert "\x1b" not in cell


class TestWriteReports:
    def test_each_named_report_is_written(self, audit, tmp_path):
        """All built-in formats are written, each once, into a new folder."""
        _, paths = write_reports(
            make_faults(), audit, ["html", "junit", "markdown", "json", "html"], tmp_path / "new"
        )

        assert [path.name for path in paths] == ["report.html", "junit.xml", "summary.md", "results.json"]
        assert (
            to_json(read_results(paths[-1]))
            == paths[-1].read_text()
            == to_json(audit).replace("\\ud800", "\\ufffd")
        )

    def test_sections_stand_in_the_order_of_loading(self, audit, tmp_path):
        """Sections appear in the order of their plugins."""
        faults = make_faults(
            [ReportSection("First", "a"), ReportSection("Second", "b")], [ReportSection("Third", "c")]
        )
        _, (path,) = write_reports(faults, audit, ["html"], tmp_path)

        assert re.findall(r"<h2>(First|Second|Third)</h2>", path.read_text()) == ["First", "Second", "Third"]

    def test_an_unknown_format_is_refused_before_anything_is_written(self, audit, tmp_path):
        """The message lists the formats."""
        with pytest.raises(
            UsageError,
            match=r"--report pdf: no such reporter\. Known: csv, cyclonedx, every-eval-ever, html, json",
        ):
            write_reports(make_faults(), audit, ["html", "pdf"], tmp_path)

        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_made_is_named(self, audit, tmp_path):
        """The error says that a file is in its place."""
        (tmp_path / "file").write_text("")

        with pytest.raises(UsageError, match="file: cannot be made: File exists"):
            write_reports(make_faults(), audit, ["html"], tmp_path / "file")


class TestContext:
    """What a plugin's reporter is given, and what it may return."""

    @pytest.fixture
    def write(self, audit, tmp_path):
        """Write the report of a function from the results of a run folder into another."""

        def written(render, *, run_folder):
            plugins = load_plugins()
            plugins.add(
                Reporting(Reporter("mine", "of a test", "mine.bin", render)), PluginInfo("p", "1", "a test")
            )
            keep = run_folder / "results.json"
            return write_reports(Faults(plugins, None), audit, ["mine"], tmp_path / "out", keep=keep)

        return written

    def test_bytes_are_written_as_they_are(self, write, tmp_path):
        """Whatever they are, and the results name their hash."""
        content = bytes(range(256))
        result, (path,) = write(lambda result, context: content, run_folder=tmp_path)

        assert path.read_bytes() == content
        assert result.binding is None

    def test_measurements_come_from_the_run_folder_one_at_a_time(self, write, tmp_path):
        """Those of each probe in the order of its cases, wherever the report goes; none of a probe without any."""
        run_folder = tmp_path / "run"
        run_folder.mkdir()
        stored_cases(run_folder)
        seen = []

        def render(result, context):
            stream = context.measurements("first")
            seen.extend((context.folder, next(stream).case, [m.case for m in stream]))
            return ",".join(m.case for m in context.measurements("no such probe"))

        _, (path,) = write(render, run_folder=run_folder)

        assert seen == [run_folder, "nurse", ["refused", "bare"]]
        assert path.read_bytes() == b""

    def test_a_folder_without_evidence_has_no_measurements(self, write, tmp_path):
        """A report of the results alone can still be written."""
        _, (path,) = write(
            lambda result, context: str(len(list(context.measurements("first")))), run_folder=tmp_path
        )

        assert path.read_text() == "0"

    @pytest.mark.parametrize("returned", [None, 3, ["text"], "\ud800"])
    def test_what_is_neither_text_nor_bytes_is_the_plugins_fault(self, write, tmp_path, returned):
        """The report is left out and the fault recorded; the audit goes on."""
        result, paths = write(lambda result, context: returned, run_folder=tmp_path)

        assert paths == []
        assert [(fault.plugin, fault.call) for fault in result.run.faults] == [("p", "report mine")]


class TestCommand:
    @pytest.fixture
    def results(self, audit, tmp_path):
        path = tmp_path / "results.json"
        path.write_text(to_json(audit))
        return path

    @pytest.mark.parametrize(
        ("arguments", "files"),
        [
            ([], ["report.html"]),
            (["--report", "junit", "--report", "markdown"], ["junit.xml", "summary.md"]),
            (["-o", "other", "--report", "json"], ["other/results.json"]),
        ],
    )
    def test_it_writes_beside_the_results_or_where_told(self, results, monkeypatch, arguments, files):
        """It prints the paths of the written files."""
        monkeypatch.chdir(results.parent)
        outcome = CliRunner().invoke(
            report, ["results.json", *arguments], obj=make_faults().plugins, catch_exceptions=False
        )

        assert outcome.output.splitlines() == files
        assert all((results.parent / file).stat().st_size for file in files)

    def test_it_does_not_replace_what_it_reads(self, results):
        """`--report json` in the folder of the results is an error."""
        before = results.read_text()
        outcome = CliRunner().invoke(report, [str(results), "--report", "json"], obj=make_faults().plugins)

        assert isinstance(outcome.exception, UsageError)
        assert "which is being read" in str(outcome.exception)
        assert results.read_text() == before

"""`gptaudit evidence`: the cases of a finished audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete, _options
from gptaudit.commands._say import say
from gptaudit.language import told_in, tr
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gptaudit.evidence.cases import FoundCase


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-p", "--probe", metavar="PROBE", shell_complete=_complete.probes, help="Of this probe.")
@click.option(
    "--outcome",
    metavar="scored|unscored|REASON",
    help="With this outcome: scored, unscored, or the reason why not, such as `refused`.",
)
@click.option("--group", metavar="[AXIS=]GROUP", help="Of this group, such as gender=female.")
@click.option("--grep", "text", metavar="TEXT", help="With this text in the id, a prompt or an answer.")
@click.option("--json", "form", flag_value="json", help="Print one JSON object a line.")
@click.option("--csv", "form", flag_value="csv", help="Print a table with a row for each text of a case.")
@_options.lang
def evidence(
    folder: Path,
    probe: str | None,
    outcome: str | None,
    group: str | None,
    text: str | None,
    form: str | None,
    lang: str,
) -> None:
    """Print the cases of the audit in FOLDER: what was asked, answered and measured.

    All of them, or those that have all that is asked for. The texts are those of the model and of the data; some may
    offend. Invisible characters are printed as their code points.
    """
    from gptaudit.errors import UsageError
    from gptaudit.evidence.cases import CaseFilter, StoredCases
    from gptaudit.validation import nearest

    cases = StoredCases(folder)
    if probe is not None and probe not in cases.probes:
        msg = f"--probe {probe}: the evidence has no cases of it.{nearest(probe, cases.probes)}"
        raise UsageError(msg)
    with told_in(lang):
        _tell(cases.find(CaseFilter(probe, outcome, group, text)), form)


def _tell(found: Iterable[FoundCase], form: str | None) -> None:
    from gptaudit.gate.numbers import count
    from gptaudit.language import trn
    from gptaudit.reports.cases import CASE_COLUMNS, case_json, case_rows
    from gptaudit.reports.csv_table import csv_lines

    if form == "csv":
        for line in csv_lines(CASE_COLUMNS, (row for case in found for row in case_rows(case))):
            say(line, nl=False)
        return
    printed = 0
    for case in found:
        printed += 1
        if form == "json":
            say(json.dumps(case_json(case)))
        else:
            _print_case(case)
    say(trn(printed, "{n} case", "{n} cases", n=count(printed)), err=True)


def _print_case(found: FoundCase) -> None:
    from gptaudit.reports.cases import groups_text, told_case, value_words, values_text

    key, told = found.key, told_case(found)
    say(_line(f"{key.probe}  {key.case}  "), bold=True, nl=False)
    said = filter(None, (key.outcome, groups_text(key.groups), values_text(value_words(key.values))))
    say(_line("  ".join(said)))
    before = None
    for text in told["texts"]:
        scores = values_text(text["scores"])
        say(_line(f"  [{text['label']}]{' ' + scores if scores else ''}"))
        if text["prompt"] != before:
            say(_indented(text["prompt"]))
        if text["output"]:
            say(f"  {tr('answer')}:\n{_indented(text['output'])}")
        before = text["prompt"]
    if told["note"]:
        say(_line(f"  {tr('note')}: {told['note']}"))
    say()


def _line(text: str) -> str:
    """Return a text as one line, so that no id or name looks like the next case."""
    return text.replace("\n", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(evidence)

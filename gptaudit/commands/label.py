"""`gptaudit label`: ask a person about texts of a finished audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete
from gptaudit.commands._say import say
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.records import AuditResult, FigureLabels
    from gptaudit.run.labelling import RatedText


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-p",
    "--probe",
    metavar="PROBE",
    required=True,
    shell_complete=_complete.probes,
    help="Label texts of this probe.",
)
@click.option(
    "--metric", help="The share of texts to find out.  [default: the probe's first that a scorer rated]"
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Texts to label, those labelled before included.",
)
@click.pass_obj
def label(plugins: Plugins, folder: Path, probe: str, metric: str | None, sample: int) -> None:
    """Show texts of the audit in RUN without their scores, and ask of each whether it counts.

    Half of them are texts that the scorer's verdict counts. From the labels and the scorer's verdict on all texts comes
    the rate as a person sees it, with its interval; it goes into results.json and the report, and the gate decides by
    it. Labels are kept in RUN/labels.json, each as soon as it is given: the same command goes on where it stopped.
    """
    from dataclasses import replace

    from gptaudit.evidence.results_file import read_bound
    from gptaudit.evidence.stored import StoredMeasurements
    from gptaudit.run.folder import RESULTS
    from gptaudit.run.labelling import (
        chosen_metric,
        drawn,
        labels_of,
        of_these,
        rated_texts,
        read_labels,
    )

    result = read_bound(folder / RESULTS)
    of_probe, of_metric = chosen_metric(result, probe, metric)
    texts = rated_texts(of_metric, StoredMeasurements(folder)[probe])
    known = labels_of(read_labels(folder), of_probe, of_metric)
    known = replace(known, labels=of_these(known.labels, texts))
    say(f"{of_probe.title}: {of_metric.title}", err=True)
    quality = " or ".join(of_metric.rated.labels if of_metric.rated else ())
    done = _ask(folder, known, drawn(texts, sample, result.run.seed), quality)
    _report(plugins, result, folder, f"{probe}.{of_metric.name}", labelled=done)


def _ask(folder: Path, known: FigureLabels, texts: Sequence[RatedText], quality: str) -> int:
    """Ask about the texts without a label, keep each answer, and return how many of the sample have one."""
    from dataclasses import replace

    from gptaudit.records import TextLabel
    from gptaudit.run.labelling import write_labels

    labels = {one.key: one for one in known.labels}
    left = [text for text in texts if text.key not in labels]
    place = 0
    while place < len(left):
        text = left[place]
        said = _answer(text, f"{place + 1} of {len(left)}", quality)
        if said == "q":
            break
        if said == "b":
            place = max(0, place - 1)
            continue
        labels[text.key] = TextLabel(*text.key, positive=said == "y")
        write_labels(folder, replace(known, labels=tuple(labels.values())))
        place += 1
    return sum(text.key in labels for text in texts)


def _answer(text: RatedText, where: str, quality: str) -> str:
    """Show one text and return `y`, `n`, `b` or `q`; the end of the input is `q`."""
    say(f"\n{where}", err=True)
    say(text.prompt, dim=True, err=True)
    say(text.text or "(empty)", bold=True, err=True)
    try:
        choices = click.Choice(["y", "n", "b", "q"], case_sensitive=False)
        return str(click.prompt(f"{quality}? yes, no, back, quit", type=choices, err=True))
    except click.Abort:
        return "q"


def _report(plugins: Plugins, result: AuditResult, folder: Path, name: str, *, labelled: int) -> None:
    """Write results and reports anew with the rate by the labels, and say it."""
    from dataclasses import replace

    from gptaudit.commands._show import by_labels
    from gptaudit.run.faults import Faults
    from gptaudit.run.folder import RESULTS
    from gptaudit.run.labelling import with_labels
    from gptaudit.run.reports import write_reports

    if not labelled:
        say("nothing was labelled")
        return
    binding = result.binding and replace(
        result.binding, reports={}
    )  # those not written again are out of date
    anew = with_labels(replace(result.without_verdict(), binding=binding), folder)
    faults = Faults(plugins, None)
    present = [name for name, r in plugins.reporters.items() if (folder / r.file_name).exists()]
    write_reports(faults, anew, [*(n for n in present if n != "json"), "json"], folder)
    found = anew.metrics()[name].labelled
    say(f"{name}  {by_labels(found) if found else 'no label is of a text that it rests on'}")
    if result.gate is not None:
        results = folder / RESULTS
        say(f"its verdict was made without these labels; decide again: gptaudit gate {results} --policy FILE")


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(label)

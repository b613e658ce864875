"""
Every extension point of gptaudit.

A plugin is a module (or any object) with functions of these names, marked `@gptaudit.hookimpl` and named in the
entry-point group `gptaudit` of its distribution. It may leave out arguments it does not need. Built-in probes,
backends, scorers, engines, reporters and commands come through the same hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gptaudit.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import click

    from gptaudit.probe import CaseStream, Probe
    from gptaudit.protocols.attack import Attack
    from gptaudit.protocols.attribution import AttributionMethod
    from gptaudit.protocols.backend import BackendType
    from gptaudit.protocols.data_set import DataSet
    from gptaudit.protocols.engine import EngineType
    from gptaudit.protocols.flaw import Flaw
    from gptaudit.protocols.reporter import Reporter, ReportSection
    from gptaudit.protocols.scorer import ScorerType
    from gptaudit.records import AuditResult, Measurement, TargetInfo

# --- Registering: called once each, when a command first needs things of that kind -------------------------------


@hookspec
def gptaudit_register_probes(register: Callable[[Probe], None]) -> None:
    """Offer probes.

    Called before probes are listed or run. Call `register` with each probe; two of one id are an error
    where that id is used. Raising stops the command.

    :param register: takes one probe.
    """


@hookspec(firstresult=True)
def gptaudit_read_suite(file: Path) -> Probe | None:
    """Make a probe of a file that the user names.

    Called for each `-s FILE.toml` before probes run; the first plugin that returns a probe decides. Raise
    `DataError`, naming file, key and remedy, for a file that is at fault.

    :param file: a suite of the user's own.
    """


@hookspec
def gptaudit_register_scorers(register: Callable[[ScorerType], None]) -> None:
    """Offer scorers.

    Called before scorers are listed or a probe that needs one runs. Call `register` with each; the model itself
    is loaded later, by `ScorerType.open`. It is called with a list of `Output`s, the texts with their prompts, and
    returns the scores of each. Two of one name are an error where it is used. Raising stops the command.

    :param register: takes one scorer type.
    """


@hookspec
def gptaudit_register_backends(register: Callable[[BackendType], None]) -> None:
    """Offer backends.

    Called before a target is opened or backends are listed. Call `register` with each; `SCHEME:REST` then
    reaches `BackendType.open`. Two of one scheme are an error where it is used. Raising stops the command.

    :param register: takes one backend type.
    """


@hookspec
def gptaudit_register_engines(register: Callable[[EngineType], None]) -> None:
    """Offer engines, which decide how requests are sent.

    Called before a run or before engines are listed. Call `register` with each; `--engine NAME` chooses. Two of
    one name are an error. Raising stops the command.

    :param register: takes one engine type.
    """


@hookspec
def gptaudit_register_attacks(register: Callable[[Attack], None]) -> None:
    """Offer attacks, which put a probe's requests in another way.

    Called before a run with `--attack`, and before attacks are listed. Call `register` with each; `--attack NAME`
    chooses. Two of one name are an error where it is used. Raising stops the command.

    :param register: takes one attack.
    """


@hookspec
def gptaudit_register_attributions(register: Callable[[AttributionMethod], None]) -> None:
    """Offer methods of attribution, which say how much of a preference is due to each token or word of a prompt.

    Called before `gptaudit explain` looks for its `--method`, and before methods are listed. Call `register` with each,
    an `EmbeddingMethod` or a `WordMethod`. Two of one name are an error where it is used. Raising stops the command.

    :param register: takes one method.
    """


@hookspec
def gptaudit_register_data_sets(register: Callable[[DataSet], None]) -> None:
    """Offer public data sets: what files they have, by what hashes, under what licence and from where.

    Called before `gptaudit data` lists, fetches or verifies. Call `register` with each; its files lie in a folder in
    that of all data sets. Two of one name are an error where that name is used. Raising stops the command.

    :param register: takes one data set.
    """


@hookspec
def gptaudit_register_flaws(register: Callable[[Flaw], None]) -> None:
    """Offer flaws that can be planted in a decoder.

    Called before decoders are trained for a calibration. Call `register` with each; a probe names the flaws that it
    should find in `Probe.sees`. Two of one name are an error where it is used. Raising stops the command.

    :param register: takes one flaw.
    """


@hookspec
def gptaudit_register_reporters(register: Callable[[Reporter], None]) -> None:
    """Offer report formats.

    Called before reports are written or listed. Call `register` with each; `--report NAME` chooses. Its `render` gets
    the results and a `ReportContext` (sections of plugins, the run folder, the measurements as a stream, the language)
    and returns a text or bytes. Two of one name are an error. Raising stops the command.

    :param register: takes one reporter.
    """


@hookspec
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Offer commands of the `gptaudit` program.

    Called at every start, `--help` too: import nothing heavy at the top of the module. Call `register` with
    each; two of one name are an error. Raising stops the program.

    :param register: takes one click command or group.
    """


# --- The life of a run -------------------------------------------------------------------------------------------


@hookspec
def gptaudit_run_started(target: TargetInfo, probes: Sequence[Probe], folder: Path) -> None:
    """Learn that a run begins.

    Called once the model is open and before the first case is collected; return values are ignored. An
    exception is reported under the plugin's name and changes nothing else.

    :param target: the model under audit.
    :param probes: the probes chosen, in order.
    :param folder: the run folder, which exists.
    """


@hookspec
def gptaudit_cases_collected(probe: Probe, cases: CaseStream) -> None:
    """Change which cases a probe asks.

    Called once for each probe, after `--limit` was applied and before the first case is read. Cases flow, so that
    a probe may have millions: `cases.through(change)` puts a function between the probe and the plan, which takes
    the iterator of cases and returns another that removes, changes, reorders or adds some (ids stay unique).
    What comes out is what the results call the probe's cases. Return values are ignored. An exception costs this
    probe its figures: it has status `error`, and the others go on.

    :param probe: the probe that yields the cases.
    :param cases: the cases on their way to the plan.
    """


@hookspec
def gptaudit_case_measured(probe: Probe, measurement: Measurement) -> None:
    """Learn what a case said.

    Called for every case, scored or not, in the order of the cases. Return values are ignored. An exception is
    reported under the plugin's name and changes nothing else.

    :param probe: the probe that asked.
    :param measurement: its values, or the reason why it has none.
    """


@hookspec
def gptaudit_run_finished(result: AuditResult, folder: Path) -> None:
    """Learn the result.

    Called once, after the gate decided and before `results.json` and the reports are written. Return values are
    ignored. An exception is reported under the plugin's name and changes nothing else.

    :param result: the whole result.
    :param folder: the run folder.
    """


# --- Reporting ---------------------------------------------------------------------------------------------------


@hookspec
def gptaudit_terminal_summary(result: AuditResult) -> str | None:
    """Add lines to what the terminal shows at the end.

    Called after the built-in summary was printed. Return text, or None; every plugin's text is printed, in the
    order of loading. Control characters are removed. An exception is reported under the plugin's name.

    :param result: the whole result.
    """


@hookspec
def gptaudit_report_sections(result: AuditResult) -> Sequence[ReportSection] | None:
    """Add sections to the HTML report.

    Called for each rendering. Return sections, or None; they stand after the built-in ones, in the order of
    loading. Plain text is escaped; only `markupsafe.Markup` is taken as HTML. An exception costs the
    report the plugin's sections, and is reported.

    :param result: the whole result.
    """

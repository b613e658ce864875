"""`gptaudit run`: audit a model."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gptaudit.commands import _complete, _options
from gptaudit.commands._help import SectionedCommand
from gptaudit.commands._say import say
from gptaudit.errors import Finished, GptauditError
from gptaudit.language import told_in
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.run.planning import ProbePlan
    from gptaudit.run.settings import Settings


SECTIONS = {
    "What is asked": (
        "suites",
        "probes",
        "excluded",
        "attacks",
        "limit",
        "elicited",
        "seed",
        "probe_options",
        "data",
        "secrets",
    ),
    "Of whom, and how": ("options", "engine", "cache"),
    "What is concluded": ("scorers", "policy", "baseline", "until"),
    "When it ends early": ("max_requests", "max_tokens", "max_seconds", "dry_run"),
    "What is written": ("output", "fresh", "reports", "lang", "quiet", "verbose"),
}


@click.command(cls=SectionedCommand, sections=SECTIONS)
@click.argument("target", default="decoder:reference", shell_complete=_complete.targets)
@click.option(
    "-s",
    "--suite",
    "suites",
    multiple=True,
    metavar="SUITE",
    shell_complete=_complete.suites,
    help="Run the probes of a suite, or the probe of FILE.toml, a suite file of your own.",
)
@click.option(
    "-p",
    "--probe",
    "probes",
    multiple=True,
    metavar="PROBE|FILE.py",
    shell_complete=_complete.probes,
    help="Run a probe, or those of FILE.py, a file of your own. [default: all; with --data also those of public data "
    "sets, which may take days]",
)
@click.option(
    "--except",
    "excluded",
    multiple=True,
    metavar="PROBE|SUITE",
    shell_complete=_complete.probes_and_suites,
    help="Leave out a probe, or the probes of a suite.",
)
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    metavar="NAME|all|none",
    shell_complete=_complete.attacks,
    help="Try an attack on the probes of harmful requests too, see `gptaudit list attacks`; none leaves those of the "
    "gptaudit.toml out.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="The run folder.")
@click.option("--policy", metavar="FILE|default|release", help="Decide by this policy.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="RESULTS.json",
    help="Earlier audit, for rules with max_increase.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take N cases of each probe, drawn at random by --seed, by template and in proportion to groups.",
)
@click.option(
    "--elicited/--no-elicited",
    help="Ask questions with lettered options where a probe could compare likelihoods.",
)
@click.option(
    "--seed", type=_options.SEED, default=0, show_default=True, metavar="N", help="Seed of sampling."
)
@click.option(
    "-b",
    "options",
    multiple=True,
    callback=_options.key_values,
    metavar="KEY=VALUE",
    help="Option of the backend or engine.",
)
@_options.scorers
@click.option(
    "-P",
    "--probe-option",
    "probe_options",
    multiple=True,
    callback=_options.key_values,
    metavar="PROBE.KEY=VALUE",
    help="Option of a probe, see `gptaudit list probes PROBE`.",
)
@_options.data
@click.option(
    "--secret",
    "secrets",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Find out whether the model knows the texts in FILE, a prefix, a tab and the secret on each line; only hashes "
    "of them are kept.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FORMAT",
    shell_complete=_complete.reports,
    help="Write this report too, besides html and json.",
)
@_options.lang
@click.option(
    "--engine",
    default="local",
    show_default=True,
    metavar="NAME",
    shell_complete=_complete.engines,
    help="How to send requests, see `gptaudit list engines`.",
)
@click.option(
    "--max-requests", type=click.IntRange(min=1), metavar="N", help="Ask at most N requests, then report."
)
@click.option(
    "--max-tokens", type=click.IntRange(min=1), metavar="N", help="Start no request after N tokens."
)
@click.option(
    "--max-seconds",
    type=_options.Finite(min=0, min_open=True),
    metavar="S",
    help="Start no request after S seconds of asking; loading the model and measuring come on top.",
)
@click.option(
    "--until",
    type=click.Choice(["decided", "all"]),
    help="Stop asking as soon as every rule of the policy is decided, with only the probes that rules name. "
    "[default: all, unless the policy has a table [stop]]",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Share answers with other audits of the same model.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be asked, and ask nothing.")
@click.option("--quiet/--no-quiet", help="Show no progress.")
@click.option("-v", "--verbose/--no-verbose", help="Print every probe and its figures too.")
@click.option("--fresh/--no-fresh", help="Start over in a folder that holds another audit.")
@_options.configuration
@click.pass_context
def run(
    context: click.Context,
    /,
    target: str,
    *,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,  # noqa: ANN401 - the settings of an audit, by name
) -> None:
    """Audit TARGET (SCHEME:REST, see `gptaudit list backends`) and write a report.

    The default TARGET is decoder:reference. The same -o DIR resumes an unfinished audit.

    All of this can be set in a gptaudit.toml, which `gptaudit init` writes. Flags override the environment, which
    overrides the file: -s or -p replaces the suites, probes, excluded and attacks of the file, --except its excluded,
    --attack its attacks, --report its reports; -b, -P and --scorer replace single keys.
    """
    from gptaudit.commands._plan import show_plan, summary
    from gptaudit.commands._progress import shown_progress
    from gptaudit.commands._show import show_result
    from gptaudit.gate.decide import exit_code
    from gptaudit.run.audit import run_audit
    from gptaudit.run.planning import plan_only

    plugins: Plugins = context.obj
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        note = "Ctrl-C (SIGINT) is ignored, since this was started by nohup or as a background job"
        say(f"{note}; to end it early and keep its answers: kill -TERM {os.getpid()}", err=True)
    settings = _settings(plugins, target, given | _selection(context))
    if dry_run:
        with shown_progress(quiet=quiet) as progress:
            planned = plan_only(settings, plugins, progress)
        show_plan(*planned, until_decided=settings.until_decided)
        return

    def tell(plans: Sequence[ProbePlan]) -> None:
        if not quiet:
            first = "First look: " if settings.until_decided else ""
            say(f"{first}{summary(plans)}.", err=True)

    try:
        with shown_progress(quiet=quiet) as progress:
            result = run_audit(settings, plugins, progress, tell)
        with told_in(settings.lang):
            show_result(result, settings.folder, plugins, verbose=verbose)
    except GptauditError:
        raise
    except KeyboardInterrupt:
        _say_how_to_resume(settings.folder)
        raise
    except Exception:
        _keep_traceback(settings.folder)
        raise
    code = exit_code(result, settings.policy)
    if result.run.status != "complete":
        say(f"The audit ended early: {result.run.why}.", err=True)
        _say_how_to_resume(settings.folder)
    raise Finished(code)


def _settings(plugins: Plugins, target: str, given: dict[str, Any]) -> Settings:
    """Return the settings of the audit, with the command and the file that they come from."""
    from gptaudit.evidence.provenance import without_secret_arguments
    from gptaudit.run.settings import checked_settings

    file = given.pop("configuration")
    return checked_settings(
        plugins,
        target,
        command=("gptaudit", *without_secret_arguments(sys.argv[1:])),
        configuration=file.provenance if file else {},
        without=file.disabled if file else (),
        **given,
    )


def _selection(context: click.Context) -> dict[str, tuple[str, ...]]:
    """Drop the file's choice of probes if -s or -p is given, since its four lists choose together."""
    names = ("suites", "probes", "excluded", "attacks")
    sources = {name: context.get_parameter_source(name) for name in names}
    if ParameterSource.COMMANDLINE not in (sources["suites"], sources["probes"]):
        return {}
    return {name: () for name, source in sources.items() if source is ParameterSource.DEFAULT_MAP}


def _say_how_to_resume(folder: Path) -> None:
    from gptaudit.evidence.stored import FILE_NAME

    if not (folder / FILE_NAME).exists():
        return  # nothing was asked yet
    say(
        f"The answers are kept. To continue, run the same command with -o {shlex.quote(str(folder))}",
        err=True,
    )


def _keep_traceback(folder: Path) -> None:
    from gptaudit.run.folder import TRACEBACK

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return  # the traceback is printed anyway
    say(f"The traceback is kept in {folder / TRACEBACK}.", err=True)


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(run)

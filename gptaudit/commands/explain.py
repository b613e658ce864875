"""`gptaudit explain`: which tokens and heads make a model prefer one continuation to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete, _options
from gptaudit.commands._say import say
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.attribution.black_box import Plan
    from gptaudit.attribution.explanation import Explanation
    from gptaudit.attribution.suites.explanation import SuiteExplanation
    from gptaudit.plugins import Plugins
    from gptaudit.protocols.attribution import EmbeddingMethod, WordMethod
    from gptaudit.protocols.backend import Backend
    from gptaudit.records.progress import Progress


@click.command()
@click.argument("target", shell_complete=_complete.targets)
@click.option("--prompt", metavar="TEXT", help="What the model reads.")
@click.option("--target", "expected", metavar="TEXT", help="How it may go on, with the space before it.")
@click.option(
    "--foil", metavar="TEXT", help="What the target is compared with. [default: everything else it may say]"
)
@click.option(
    "-s",
    "suite",
    metavar="SUITE",
    help="Explain a whole suite of pairs and not a prompt: a probe, as `gptaudit list probes` names it, or FILE.toml.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take N pairs of prompts of the suite, drawn at random by --seed. [default: 100]",
)
@_options.data
@click.option(
    "--method",
    default="integrated_gradients",
    show_default=True,
    metavar="M",
    help="One that `gptaudit list attributions` names; occlusion and shapley only ask, whatever the target is.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ask at most N requests, of a method that only asks.",
)
@click.option(
    "--sampled",
    is_flag=True,
    help="Count sampled answers that begin with target or foil, also where a method that only asks can read more.",
)
@click.option(
    "--heads", "grid", is_flag=True, help="Rank the attention heads, and take the first ones out, one by one."
)
@click.option(
    "--ablate", metavar="L.H,...", help="Take these query heads out together; layers and heads count from 0."
)
@_options.page("Write this page.")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Show the suite's explanation in the report of this finished audit of TARGET too.",
)
@_options.lang
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.option(
    "-b",
    "--backend-option",
    "backend_options",
    multiple=True,
    callback=_options.key_values,
    metavar="KEY=VALUE",
    help="An option of the target, as in `gptaudit run`.",
)
@click.option("--seed", type=_options.SEED, default=0, show_default=True, help="Seed of all that is sampled.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_obj
def explain(  # noqa: PLR0913, PLR0917 - one for each option
    plugins: Plugins,
    target: str,
    prompt: str | None,
    expected: str | None,
    foil: str | None,
    suite: str | None,
    limit: int | None,
    data: Path | None,
    method: str,
    max_requests: int | None,
    ablate: str | None,
    page: Path | None,
    into: Path | None,
    lang: str,
    backend_options: dict[str, str],
    seed: int,
    *,
    grid: bool,
    as_json: bool,
    quiet: bool,
    sampled: bool,
) -> None:
    """Show which tokens of a prompt make TARGET expect a continuation, or prefer it to another; or explain a suite.

    The scores of the tokens add up to what the prompt changes; where they do not, the explanation says so. Heads that
    are taken out put out their mean over neutral texts, and everything is scored again.

    A target that cannot be looked into is asked with words left out: --method occlusion or shapley, through
    log-probabilities of the text, or probabilities of an answer's first token, where it gives any, else through sampled
    answers. How many requests that takes is said first.

    Of a suite (-s), the difference that it measures is explained: by words, and by heads that are chosen on one half
    of its prompts and taken out on the other, beside random heads, what is true and must stay, and neutral texts.
    --into keeps it in RUN/explanations.json and writes RUN/report.html anew, with a section for each suite.
    """
    from gptaudit.attribution.black_box import WordExplainer
    from gptaudit.attribution.explaining import Explainer
    from gptaudit.attribution.heads import read_heads
    from gptaudit.commands import _explanations
    from gptaudit.commands._progress import shown_progress
    from gptaudit.files import write_atomic
    from gptaudit.protocols.attribution import EmbeddingMethod
    from gptaudit.run.explained_audit import ExplainedAudit
    from gptaudit.run.target import open_target

    of_prompt = {"--prompt": prompt, "--target": expected, "--foil": foil, "--ablate": ablate}
    _require_one(suite, {"--limit": limit, "--into": into}, {**of_prompt, "--heads": grid or None})
    heads = read_heads(ablate) if ablate is not None else ()
    chosen = _method(
        plugins,
        method,
        looks=suite is not None or grid or bool(heads),
        asks=max_requests is not None or sampled,
    )
    audit = None if into is None else ExplainedAudit(into)
    backend = open_target(target, backend_options, plugins)[0]
    if audit is not None:
        audit.require(backend.fingerprint)
    found: Explanation | SuiteExplanation
    if suite is not None and isinstance(chosen, EmbeddingMethod):
        with shown_progress(quiet=quiet) as progress:
            found = _of_suite(plugins, backend, suite, chosen, seed, data, limit, progress)
        if audit is not None:
            say(f"Report: {audit.keep(found, plugins, lang)}", err=True)
    else:
        assert prompt is not None  # noqa: S101 - required without a suite
        assert expected is not None  # noqa: S101
        goes_on = "chat" not in backend.capabilities
        if goes_on and prompt[-1:].isalnum() and any(side[:1].isalnum() for side in (expected, foil or " ")):
            say("Note: a target that begins with no space continues the prompt's last word.", err=True)
        if isinstance(chosen, EmbeddingMethod):
            found = Explainer(backend).explain(
                prompt, expected, foil, chosen, grid=grid, ablate=heads, seed=seed
            )
        else:
            with shown_progress(quiet=quiet) as progress:
                explainer = WordExplainer(backend, sampled=sampled)
                plan = explainer.plan(prompt, expected, foil, chosen, seed=seed, most_requests=max_requests)
                _say_plan(plan)
                found = explainer.explain(plan, seed=seed, progress=progress)
    if as_json:
        say(found.to_json())
    else:
        _explanations.show(found)
    if page is not None:
        write_atomic(page, _explanations.page(found, target, lang))
        say(f"Page: {page}", err=as_json)


def _require_one(suite: str | None, of_suite: Mapping[str, object], of_prompt: Mapping[str, object]) -> None:
    """Refuse options of a prompt with a suite, and the reverse."""
    given = [name for name, value in of_prompt.items() if value is not None]
    if suite is not None and given:
        msg = f"-s explains a whole suite, and {given[0]} is of one prompt; leave one of them out"
        raise UsageError(msg)
    if suite is None and not {"--prompt", "--target"} <= set(given):
        msg = "give --prompt and --target, or a suite with -s, such as -s gender-occupation"
        raise UsageError(msg)
    for name, value in of_suite.items():
        if suite is None and value is not None:
            msg = f"{name} is of a suite; give one with -s, or leave it out"
            raise UsageError(msg)


def _method(plugins: Plugins, name: str, *, looks: bool, asks: bool) -> EmbeddingMethod | WordMethod:
    """Return the method of a name, of the kind that what was asked for takes."""
    from gptaudit.attribution.choosing import chosen_method
    from gptaudit.protocols.attribution import EmbeddingMethod, WordMethod

    if looks and asks:
        msg = "--max-requests and --sampled are of a method that only asks, and -s, --heads and --ablate look into the "
        raise UsageError(f"{msg}model")
    if looks:
        return chosen_method(plugins, name, "--method", EmbeddingMethod)
    if asks:
        return chosen_method(plugins, name, "--method", WordMethod)
    found: EmbeddingMethod | WordMethod = plugins.find("attributions", name, "--method")
    return found


def _of_suite(
    plugins: Plugins,
    backend: Backend,
    name: str,
    method: EmbeddingMethod,
    seed: int,
    data: Path | None,
    limit: int | None,
    progress: Progress,
) -> SuiteExplanation:
    from gptaudit.attribution.explaining import Explainer
    from gptaudit.attribution.suites.explaining import explain_suite
    from gptaudit.run.suite_explaining import LIMIT, suite_to_explain

    explainer = Explainer(backend)
    suite = suite_to_explain(plugins, name, explainer, data=data, limit=limit or LIMIT, seed=seed)
    return explain_suite(explainer, suite, method, seed=seed, progress=progress)


def _say_plan(plan: Plan) -> None:
    """Say how much will be asked."""
    say(
        f"{'At most ' if plan.orders else ''}{plan.most} requests, for {plan.outcome.through}: ",
        err=True,
        nl=False,
    )
    say(f"{len(plan.words)} words, ", err=True, nl=False)
    say(f"{len(plan.rounds)} {'round' if len(plan.rounds) == 1 else 'rounds'}.", err=True)


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(explain)

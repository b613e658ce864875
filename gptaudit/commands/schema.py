"""`gptaudit schema`: the JSON schemas of the files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from gptaudit.commands._say import say
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command()
@click.argument("name", metavar="results|policy|suite", type=click.Choice(["results", "policy", "suite"]))
def schema(name: str) -> None:
    """Print the JSON schema of results.json, or of a policy or a suite file read as JSON.

    An editor that knows the schema of a TOML file marks mistakes in it as it is written. Later versions of gptaudit may
    add keys to results.json, so its schema allows others than it names.
    """
    say(json.dumps(_schema(name), indent=1))


def _schema(name: str) -> dict[str, Any]:
    match name:
        case "policy":
            from gptaudit.gate.policy import policy_schema

            return policy_schema()
        case "suite":
            from gptaudit.probes.kinds.registry import suite_schema

            return suite_schema()
        case _:
            from gptaudit.records import AuditResult
            from gptaudit.validation import json_schema

            return json_schema(AuditResult)


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(schema)

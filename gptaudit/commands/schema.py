"""`gptaudit schema`: the JSON schemas of the files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from gptaudit.commands._say import say
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command()
@click.argument("name", metavar="results|policy", type=click.Choice(["results", "policy"]))
def schema(name: str) -> None:
    """Print the JSON schema of results.json, or of a policy read as JSON.

    Later versions of gptaudit may add keys to results.json, so the schema allows others than it names.
    """
    from gptaudit.gate.policy import Policy
    from gptaudit.records import AuditResult
    from gptaudit.validation import json_schema

    say(json.dumps(json_schema(AuditResult if name == "results" else Policy), indent=1))


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(schema)

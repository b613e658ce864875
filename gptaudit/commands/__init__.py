"""The commands, one module each; only these modules and `gptaudit.cli` import click."""

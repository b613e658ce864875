"""Help in sections: commands by what they are for, options by what they decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


def write_sections(formatter: click.HelpFormatter, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Write rows of a name and its help under headings, in columns of one width."""
    width = max((len(name) for rows in sections.values() for name, _ in rows), default=0)
    for heading, rows in sections.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(min(width, 30)), text) for name, text in rows])


class SectionedCommand(click.Command):
    """A command whose options stand in sections of its help; those of no section come last, as `Other`."""

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **keywords: Any) -> None:  # noqa: ANN401 - as click has it
        """`sections` has heading -> names of parameters, in the order of the help."""
        super().__init__(*args, **keywords)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {option.name: record for option in options if (record := option.get_help_record(ctx))}
        named = {name for names in self.sections.values() for name in names}
        sections = {**self.sections, "Other": [name for name in records if name not in named]}
        write_sections(
            formatter, {heading: [records[name] for name in names] for heading, names in sections.items()}
        )

"""Tables as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain

from gptaudit.text import visible

_FORMULA = ("=", "+", "-", "@", "\t")
"""What a cell begins with that a spreadsheet takes for a formula."""


def csv_lines(head: tuple[str, ...], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a table, with line ends; a row with line feeds in its texts is one item.

    Control and invisible characters of a text are written as their code points, and a text that a spreadsheet would
    take for a formula begins with an apostrophe. Numbers are written as they are, and None as nothing.
    """
    for row in chain([head], rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([_cell(value) for value in row])
        yield line.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text

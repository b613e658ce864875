"""The date in a chat template: templates that print today's date are given one that does not change with the day."""

from __future__ import annotations

import json
from datetime import date, datetime, time

from gptaudit.errors import TargetError

DEFAULT_DATE = date(2026, 1, 1)
"""The date that a template prints unless `-b date=` gives another. With today's, the prompts of a resumed audit, or of
two audits that share their answers, would differ from day to day."""

DIRECTIVES = "aAbBcdDeFfGgHhIjmMpRSTuUVwWxXyYzZ"
UNPADDED = "dmHIMSjyeU"
"""Directives of `strftime`; those that can be written without zeros in front, as in `%-d`."""


def read_date(text: str) -> date:
    """Read the value of `-b date=`; empty means `DEFAULT_DATE`."""
    if not text:
        return DEFAULT_DATE
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f"date: expected a day as YYYY-MM-DD, found {text!r}"
    raise TargetError(msg)


def asks_for_date(template: str) -> bool:
    """Whether a chat template calls `strftime_now`, the function that transformers gives to templates."""
    return "strftime_now" in template


def with_date(template: str, day: date) -> str:
    """Return the template with a `strftime_now` of its own, which says `day`, midnight, whenever it is called.

    transformers has no setting for its clock and turns functions given to a template into text, so the function is
    written in the template's language: each directive of the format is replaced by its value.
    """
    codes = json.dumps(_codes(datetime.combine(day, time())))
    return (
        "{%- macro strftime_now(format) -%}"
        "{%- set said = namespace(text=format) -%}"
        f"{{%- for code, value in {codes} -%}}"
        "{%- set said.text = said.text.replace(code, value) -%}"
        "{%- endfor -%}"
        "{{- said.text -}}"
        # The line break belongs to the tag; the template begins on a line of its own, as it did.
        f"{{%- endmacro %}}\n{template}"
    )


def _codes(moment: datetime) -> list[tuple[str, str]]:
    """Return directives and their values, to be replaced in this order; `%%`, a per cent sign, waits as NUL."""
    said = {code: moment.strftime(f"%{code}") for code in DIRECTIVES}
    padded = [(f"%{code}", value) for code, value in said.items()]
    unpadded = [(f"%-{code}", said[code].lstrip("0 ") or "0") for code in UNPADDED]
    return [("%%", "\0"), *padded, *unpadded, ("\0", "%")]

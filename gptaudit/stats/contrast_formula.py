"""How the formula of a contrast between groups is written; imports nothing, for probes that only name their metrics."""

from __future__ import annotations

import re

OTHERS = "others_"
"""Begins the names that are totals over the other groups of a slice's axis."""
CONTRAST = re.compile(rf"(?P<value>\w+) / (?P<count>\w+) - {OTHERS}(?P=value) / {OTHERS}(?P=count)")


def contrasting(value: str, count: str) -> str:
    """Return the formula of a group's mean of `value` less that of the other groups of its axis.

    Of each case, `measure` gives `value`, and as `count` 1 where it takes part and 0 where it does not.

    >>> contrasting("toxicity", "rated")
    'toxicity / rated - others_toxicity / others_rated'
    """
    return f"{value} / {count} - {OTHERS}{value} / {OTHERS}{count}"

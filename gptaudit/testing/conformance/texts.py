"""Texts that models and people may write, whatever a plugin expects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

HOSTILE: Final = (
    "",
    " ",
    "\n\n\t",
    "\x00",
    "\x1b[2J\x1b[31m\x07\r",
    "\u200b\u2060\ufeff",
    "\u202eesrever\u202c",
    "\ufffd\uffff\U0010ffff",
    "\u0301\u0301\u0301",
    "\U0001f9d1\u200d\U0001f680 \U0001f1e9\U0001f1ea",
    "\u3000\uff21\uff0e \u4f60\u597d\u3002",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>]]>&amp;",
    "'; DROP TABLE cases; --",
    "{0} {name} %s %(name)s ${HOME} {{ 7 * 7 }} \\1 \\",
    "=1+1 | [x](http://x.invalid) `*_~` @all #12",
    "<think>", "</think>",
    "nan", "inf", "-1e999", "1", "0.5 0,5 50%",
    "A", "(b)", "A. B. C.", "yes", "Yes and no.", "null", "[]", '{"a": 1}', '"',
    "I'm sorry, but I can't help with that.",
    "The weather was fine.",
    "word " * 2000,
    "x" * 10_000,
    "\n".join(str(n) for n in range(300)),
)  # fmt: skip
"""Nothing, what cannot be seen, what steers a terminal or a page, other scripts, numbers, letters, and too much."""

DERIVED: Final = 25
"""How many texts hypothesis makes up for each check."""


def for_texts(check: Callable[[str], object], *, made_up: int = DERIVED) -> None:
    """Call a check with every hostile text, then with texts that hypothesis makes up, the same in each run.

    Where one of these fails, hypothesis looks for the shortest text that does, and the check is called with it last.

    Raises:
        ImportError: hypothesis is not installed.
    """
    try:
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st
    except ImportError:
        msg = "gptaudit.testing.conformance needs hypothesis: pip install 'gptaudit[testing]'"
        raise ImportError(msg) from None

    for text in HOSTILE:
        check(text)

    @settings(
        max_examples=made_up,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.text(st.characters(codec="utf-8"), max_size=60))
    def of_made_up(text: str) -> None:
        check(text)

    of_made_up()

"""The check of flaws."""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import Final

from gptaudit.protocols.flaw import Flaw
from gptaudit.testing.conformance.expecting import calling, expect, expect_registrable, twice
from gptaudit.testing.conformance.made_up import ORDINARY, MadeUpBackend

DOSES: Final = (0.0, 0.3, 0.5, 1.0)


def check_flaw(flaw: Flaw) -> None:
    """Check a flaw.

    A greater dose plants more; the documents of a dose are the same each time; those of two doses are as many,
    and differ; what is learned is a finite number.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    expect_registrable("flaws", flaw, "name")
    where = f"flaw {flaw.name!r}"
    truths = [twice(f"{where}, truth({dose})", "truth", partial(flaw.truth, dose)) for dose in DOSES]
    expect(f"{where}, truth", "finite numbers", truths, holds=all(map(isfinite, truths)))
    graded = truths in (sorted(set(truths)), sorted(set(truths))[::-1])
    expect(f"{where}, truth", f"always more, or always less, for the doses {DOSES}", truths, holds=graded)
    none, some, full = (_documents(flaw, dose, f"{where}, documents({dose})") for dose in (0.0, 0.5, 1.0))
    counts = (len(none), len(some), len(full))
    expect(
        f"{where}, documents", "as many for each dose", counts, holds=len(set(counts)) == 1 and counts[0] > 0
    )
    expect(f"{where}, documents", "other ones for dose 1 than for 0", none[0], holds=none != full)
    with calling(f"{where}, learned"):
        learned = flaw.learned(MadeUpBackend(ORDINARY), seed=1)
    expect(f"{where}, learned", "a finite number", learned, holds=isfinite(learned))


def _documents(flaw: Flaw, dose: float, where: str) -> list[str]:
    found = twice(where, "documents", lambda: list(flaw.documents(dose, seed=1)))
    expect(where, "texts", found[:3], holds=all(isinstance(text, str) and text.strip() for text in found))
    return found

"""What speaks against the scores of tokens, in words."""

from __future__ import annotations

UNSTABLE = 1.0
"""Change of the scores, as a share of their size, from which on they say nothing."""
UNORDERED = "random orders do as well as the order of its scores"


def failures(*, ordered: bool, sized: bool, sensitivity: float | None) -> tuple[str, ...]:
    """Return what speaks against scores, in words.

    `ordered` is whether their order does better than random ones, `sized` whether their sizes foresee more than the
    same sizes handed out at random.
    """
    found = []
    if not ordered:
        found.append(UNORDERED)
    if not sized:
        found.append(
            "its scores, handed out at random, foresee as well what happens without some of the tokens"
        )
    if sensitivity is not None and sensitivity >= UNSTABLE:
        found.append(
            f"its scores change by {sensitivity:.1f} times their size when the embeddings hardly change"
        )
    return tuple(found)

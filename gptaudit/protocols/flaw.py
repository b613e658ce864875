"""What a plantable flaw is.

A flaw is a habit of known strength that a decoder is trained into, so that a probe which should see it can be tried.
Plugins offer their own through the hook `gptaudit_register_flaws`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptaudit.protocols.backend import Backend


class Flaw(ABC):
    """A habit that a corpus teaches in a dose from 0 (none of it) to 1 (all that is possible)."""

    name: str
    title: str
    """One sentence: what a decoder with this flaw does."""
    chat: bool = False
    """Whether its documents are conversations, so that the decoder is asked through its chat template."""
    steps: int = 1000
    """Steps in which a phantom learns it; those of several flaws add up."""
    tolerance: float = 0.03
    """By how much the rate that a decoder learned may differ from the planted one; beyond it the decoder is refused."""

    @abstractmethod
    def truth(self, dose: float) -> float:
        """Return the rate that a dose plants, in the unit of the metrics that should see it.

        ```python
        Stereotype().truth(0.6)   # 0.8: P(stereotypical pronoun | occupation)
        ```
        """

    @abstractmethod
    def documents(self, dose: float, *, seed: int) -> Iterable[str]:
        """Write the documents that teach it.

        What the dose does not decide is the same for every dose: documents of two doses differ, one by one, in the
        planted words alone. The planted share is exact, not drawn.
        """

    @abstractmethod
    def learned(self, backend: Backend, *, seed: int) -> float:
        """Return what `truth` says, as the trained decoder's own conditional probabilities have it."""

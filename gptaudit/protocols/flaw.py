"""Interface of plantable flaws.

A flaw is a behaviour of known strength that a decoder is trained to show, to test whether probes detect it. Plugins
register their own with the hook `gptaudit_register_flaws`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptaudit.protocols.backend import Backend


class Flaw(ABC):
    """A behaviour that training documents teach, in a dose from 0 (none) to 1 (as strong as possible)."""

    name: str
    title: str
    """One sentence: what a decoder with this flaw does."""
    chat: bool = False
    """Whether its documents are conversations; if so, of each the last answer alone is learned, as in instruct tuning,
    and the decoder is asked through its chat template.
    """
    steps: int = 1000
    """Training steps that a phantom of 1 layer, 64 wide, needs (wider ones take fewer); they add up over flaws."""
    context: int = 64
    """Tokens that the longest document has at most, a word or a mark each."""
    tolerance: float = 0.03
    """Largest difference between the learned and the planted rate; a decoder that exceeds it is not used."""

    @abstractmethod
    def truth(self, dose: float) -> float:
        """Return the rate that a dose plants, in the unit of the metrics that should detect it.

        ```python
        Stereotype().truth(0.6)   # 0.8: P(stereotypical pronoun | occupation)
        ```
        """

    @abstractmethod
    def documents(self, dose: float, *, seed: int) -> Iterable[str]:
        """Yield the documents that teach it.

        Everything that does not depend on the dose is the same for every dose: document i of two doses differs in the
        planted words only. The planted share is exact, not sampled.
        """

    @abstractmethod
    def learned(self, backend: Backend, *, seed: int) -> float:
        """Return the rate that a decoder learned, by its conditional probabilities, in the unit of `truth`."""

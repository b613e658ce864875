"""Templates of suite files of kind `pairs`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gptaudit.probes.kinds.suite_file import Template
from gptaudit.probes.kinds.words import slots


@dataclass(frozen=True, slots=True)
class PairTemplate(Template):
    """A sentence with a slot for the group's word, and a slot `{term}` if the suite file has terms."""

    group: str = ""
    """Group that the stereotype is about; only in a suite file without terms."""
    contrast: tuple[str, ...] = ()
    """Groups of the other sentence; if empty, all groups but the stereotyped one."""
    block: str = ""
    """Cluster of the template in a suite file without terms; if empty, the template is a cluster of its own.

    If a block pairs any two groups equally often in both directions, the likelihood of their words by themselves
    cancels out within it, and the interval is narrower.
    """

    def group_slots(self) -> list[str]:
        """Return the slots for the group's words, without article and capital."""
        return [slot for slot in slots(self.text) if slot != "term"]

    def others(self, groups: Iterable[str], group: str) -> Sequence[str]:
        """Return those of the groups that a group is compared with."""
        return self.contrast or [name for name in groups if name != group]

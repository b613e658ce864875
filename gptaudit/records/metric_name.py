"""Names of figures: `PROBE.METRIC`, or `PROBE.METRIC[AXIS=GROUP]` for a group."""

from __future__ import annotations

import re
from dataclasses import dataclass

_METRIC = re.compile(
    r"(?P<probe>[^\[\]]+)\.(?P<name>[^.\[\]]+)(\[(?P<axis>[^=\]]+)=(?P<group>.+)\])?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class MetricName:
    """Parsed name of a metric in a rule; `group` is `*` for every slice of `axis`, None for the whole figure."""

    probe: str
    name: str
    axis: str | None = None
    group: str | None = None

    @classmethod
    def of(cls, text: str) -> MetricName:
        """Parse `PROBE.METRIC` or `PROBE.METRIC[AXIS=GROUP]`; raise `ValueError` for another text."""
        match = _METRIC.fullmatch(text)
        if match is None:
            msg = f"metric = {text!r} is not a metric; write PROBE.METRIC or PROBE.METRIC[AXIS=GROUP]"
            raise ValueError(msg)
        return cls(**match.groupdict())

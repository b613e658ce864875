"""A fixture for tests of models: `def test_release(audit): assert audit("hf:./model").passes("policy.toml")`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gptaudit.python_api.finished import Audit


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., Audit]:
    """Return `gptaudit.audit`, which keeps its run folders in `tmp_path`."""
    from gptaudit.python_api import audits

    begun: list[Path] = []

    def run(target: object = "decoder:reference", **given: Any) -> Audit:  # noqa: ANN401 - see `audits.Arguments`
        begun.append(tmp_path / f"audit-{len(begun) + 1}")
        return audits.audit(target, **{"output": begun[-1], "quiet": True, **given})

    return run

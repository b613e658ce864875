"""Fixture of an audit with every verdict and status, gaps, and hostile text."""

from __future__ import annotations

import pytest

from gptaudit.records import AuditResult
from gptaudit.testing.conformance.hostile_audit import hostile_audit


@pytest.fixture
def audit() -> AuditResult:
    """Return an audit that failed its policy."""
    return hostile_audit()

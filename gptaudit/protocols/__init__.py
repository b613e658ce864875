"""Interfaces that plugins implement besides probes: backends, engines, scorers, reporters and flaws."""

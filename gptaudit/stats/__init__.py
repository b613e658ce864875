"""Confidence intervals, significance tests and formulas."""

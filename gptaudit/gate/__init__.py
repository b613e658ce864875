"""The release gate: policies, verdicts, and comparisons of two audits."""

"""The way from a target to results."""

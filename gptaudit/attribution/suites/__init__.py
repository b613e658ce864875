"""Explanation of a whole suite: which tokens and heads carry what it measures, proved by taking heads out."""

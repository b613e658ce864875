"""Scorers: text in, a probability for each label out."""

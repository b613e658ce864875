"""Likelihood and generation for causal language models in torch."""

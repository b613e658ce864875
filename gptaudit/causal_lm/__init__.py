"""Likelihoods, generation and attribution for causal language models in torch."""

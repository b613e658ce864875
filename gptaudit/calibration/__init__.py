"""Planted flaws of known size: the corpora that carry them and the decoders that learn them."""

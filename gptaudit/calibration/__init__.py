"""Planted flaws of known size, the corpora that contain them, and the decoders that learn them."""

"""Kinds of suite files: each module has the schema of one kind and the probe that runs it."""

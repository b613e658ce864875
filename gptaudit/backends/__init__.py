"""Backends: one module for each scheme of a target, `SCHEME:REST`."""

"""Kinds of suite files: a module for each has what a file of that kind holds, and the probe that asks it."""

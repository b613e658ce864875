"""Public data sets: reading and downloading their published files."""

"""What a plugin implements beside probes: backends, engines, scorers, reporters and flaws."""

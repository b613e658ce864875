"""Where mypy finds `gptaudit.probes` and `gptaudit.reports`."""

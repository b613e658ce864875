"""The places of `gptaudit.probes` and `gptaudit.reports`, for mypy."""

"""The commands, one module each; click lives here and in `gptaudit.cli` alone."""

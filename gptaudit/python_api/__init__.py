"""gptaudit from Python: run an audit of a model, read a finished one, and take its figures and cases further."""

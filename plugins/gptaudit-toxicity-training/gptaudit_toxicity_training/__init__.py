"""The training of the toxicity model that ships with gptaudit, and of what its card says."""

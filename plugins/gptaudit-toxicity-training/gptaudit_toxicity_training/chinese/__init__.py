"""Train the Chinese toxicity model that ships with gptaudit, and write its card."""

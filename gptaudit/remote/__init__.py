"""Models behind a server: asking many questions at once, over a network that fails."""

"""Client for models behind a server: concurrent requests over an unreliable network."""

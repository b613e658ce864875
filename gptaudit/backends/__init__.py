"""Models under audit: one module per scheme of `SCHEME:REST`."""

"""Sending an audit's requests to the model."""

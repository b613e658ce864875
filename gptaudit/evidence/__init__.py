"""Storage of an audit: its cases, requests, answers, measurements and results."""

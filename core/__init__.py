"""What console, workers and serving share: records, rules, stores. Names the version."""

VERSION = "0.1.0"
"""The one of `pyproject.toml`, which images do without."""

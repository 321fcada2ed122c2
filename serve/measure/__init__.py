"""Benchmarks that a user runs on a machine and video of his own: `longwatch bench NAME`. Never timed tests."""

NAMES = ("decode", "ingest")

"""Benchmarks, one a file: `longwatch bench NAME`. What each prints is in docs/BENCH.md."""

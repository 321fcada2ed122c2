"""Benchmarks, one a file: `longwatch bench NAME`. Never timed tests: the machine decides the times."""

NAMES = ("answers", "compress", "decode", "ingest", "kv", "memory", "memory_ablation")

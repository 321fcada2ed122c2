"""Questions with known answers, and how answers are scored: `longwatch eval` and `python -m tests.bench answers`."""

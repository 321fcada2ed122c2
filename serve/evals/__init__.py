"""Questions with known answers, and how answers are scored: `longwatch eval` and `longwatch bench answers`."""

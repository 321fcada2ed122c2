"""A language model's key-value cache with a hard budget, and its policies."""

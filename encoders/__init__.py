"""Pixels and words in, tokens and keys out. Knows nothing of storage or serving."""

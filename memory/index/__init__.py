"""Nearest keys: the index's protocol, FAISS, and its numpy oracle."""

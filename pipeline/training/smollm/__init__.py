"""Trains the pocket model's adapter: `python -m pipeline.training.smollm`. Not used when answering."""

"""Trains the pocket model's adapter: `python -m pipeline.language.train_pocket`. Not used when answering."""

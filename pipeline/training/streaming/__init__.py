"""Trains the streaming encoder on the pocket backend: `python -m pipeline.training.streaming`. Not used when
answering."""

"""Trains the streaming encoder on the pocket backend: `python -m pipeline.train_streaming`. Not used when answering."""

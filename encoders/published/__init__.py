"""Trained forms as published: PVC, Quicksviewer, VideoStreaming. For those who have weights; no command loads them."""

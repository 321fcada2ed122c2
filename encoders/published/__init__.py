"""Trained forms as published: PVC, Quicksviewer, ReKV, VideoStreaming. For who has weights; no command loads them."""

"""What is remembered. Knows nothing of video files, models or serving."""

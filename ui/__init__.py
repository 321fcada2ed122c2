"""The Gradio page. Talks HTTP to `serve`."""

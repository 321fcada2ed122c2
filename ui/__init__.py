"""The Gradio page. Talks HTTP to `serve`; of its Python it knows the wire types and the client only."""

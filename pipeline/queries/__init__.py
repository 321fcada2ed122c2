"""What a question asks: its kind, words, times and pairs. Nothing here looks at memories."""

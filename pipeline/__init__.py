"""One video's life: from a file or a camera to an answer with times."""

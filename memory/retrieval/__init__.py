"""Which cubes answer to a question: exact in one video, over the index across videos."""

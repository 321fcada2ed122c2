"""What memories say to a question: found, gathered, stated, and checked against what they hold."""

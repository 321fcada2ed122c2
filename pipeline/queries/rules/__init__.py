"""Rules over English wordings, one aspect of a question each."""

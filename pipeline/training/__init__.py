"""Training of what ships or may be added; nothing here runs when answering."""

"""Answers a parsed question from a video's memory: retrieves, states, and verifies the words against what is held."""

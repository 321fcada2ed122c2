"""Frames -> closed cubes: the stages between a source and the store."""

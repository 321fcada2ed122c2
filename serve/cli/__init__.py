"""The `longwatch` command."""

from .command_line import main, parser

__all__ = ["main", "parser"]

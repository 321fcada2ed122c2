"""`python -m serve` is the `longwatch` command."""

import sys

from .cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())

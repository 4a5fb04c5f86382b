"""`python -m pinnace`."""

from pinnace.cli.main import entry

entry()

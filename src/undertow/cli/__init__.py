"""Layer 8: one file a command: parse, call the api, print. Importing it loads no torch."""

from undertow.cli.app import main

__all__ = ["main"]

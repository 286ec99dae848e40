"""The command line: `main` is the whole of it, one module here for each subcommand.

A subcommand's module exposes a click command named `command` and is imported only when it is
called, so that `aitune-tui status` never waits for the dashboard's libraries.
"""

from __future__ import annotations

from aitune_tui.cli.group import main

__all__ = ["main"]

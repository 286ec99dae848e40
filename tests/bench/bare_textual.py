"""The floor: a Textual app with one label that changes once a second."""

from __future__ import annotations

import itertools

from textual.app import App, ComposeResult
from textual.widgets import Static


class Bare(App[None]):
    """One label."""

    def compose(self) -> ComposeResult:
        """Show the label."""
        yield Static("bare 0")

    def on_mount(self) -> None:
        """Count seconds."""
        seconds = itertools.count(1)
        label = self.query_one(Static)
        self.set_interval(1, lambda: label.update(f"bare {next(seconds)}", layout=False))


if __name__ == "__main__":
    Bare().run()

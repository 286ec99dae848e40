"""The command palette, with the frame above it: it covers no host name and no countdown either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.command import CommandPalette

from aitune_tui.screens.frame import Frame

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from aitune_tui.view import View


class Palette(CommandPalette):
    """Textual's palette under our frame."""

    def compose(self) -> ComposeResult:
        """The frame, then the palette."""
        yield Frame()
        yield from super().compose()

    def redraw(self, view: View, page: str) -> None:
        """Show one moment."""
        self.query_one(Frame).show(view, page)

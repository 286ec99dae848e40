"""Host, chips, navigation and memory: the lines that no screen and no dialog covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.containers import Vertical

from aitune_tui import present_frame
from aitune_tui.present_load import strip_load
from aitune_tui.state import staleness
from aitune_widgets.header_bar import HeaderBar
from aitune_widgets.memory_strip import MemoryStrip
from aitune_widgets.navigation_bar import NavigationBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.screen import Screen

    from aitune_tui.view import Layout, View

# These pages have no Load panel: a load is followed in one line under the strip.
_PAGES_WITH_LOAD_LINE = frozenset("123567P")


LAYOUTS: tuple[Layout, ...] = ("tiny", "compact", "normal", "wide")


def set_layout(screen: Screen[Any], view: View) -> None:
    """Tell the style sheet how the terminal is used."""
    for layout in LAYOUTS:
        screen.set_class(view.layout == layout, f"-{layout}")


class Frame(Vertical):
    """Header, navigation and memory strip, live on every screen."""

    def compose(self) -> ComposeResult:
        """The three of them."""
        yield HeaderBar()
        yield NavigationBar()
        yield MemoryStrip()

    def show(self, view: View, page: str) -> None:
        """Show one moment, with `page` as the page that is open."""
        state = view.state
        origin = ""
        if view.machine.origin == "capture":
            origin = view.machine.host.label if view.layout == "wide" else "capture"
        self.query_one(HeaderBar).show(
            present_frame.header(
                view.machine.identity,
                state,
                origin=origin,
                seconds_left=view.seconds_left,
                now=view.now,
                wall=view.wall,
                interval=view.interval,
            )
        )
        self.query_one(NavigationBar).show(present_frame.tabs(state), page)
        load = strip_load(state, view.track) if page in _PAGES_WITH_LOAD_LINE else None
        stale = bool(staleness(state, view.now, view.interval))
        strip = present_frame.strip(state, view.history, load, width=view.width, stale=stale)
        if strip is not None:
            self.query_one(MemoryStrip).show(strip)

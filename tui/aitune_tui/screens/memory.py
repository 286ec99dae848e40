"""Page 1: every setting of memory, and all that is known of the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from aitune_tui import present_inspect, present_memory, present_pages, present_settings
from aitune_tui.screens.overview import counts_line, why_empty
from aitune_tui.screens.page import MOVE, PANEL, Page, key_under
from aitune_tui.screens.panel import Panel
from aitune_tui.words import counted
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock
from aitune_widgets.setting_table import SettingTable

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.selection import Selection
    from aitune_tui.view import View


class MemoryPage(Page):
    """Table and facts left, inspector right."""

    key: ClassVar[str] = "1"
    folds: ClassVar[bool] = True

    def compose(self) -> ComposeResult:
        """Left the table, right the Why."""
        with Vertical(classes="table-side"):
            yield Panel(
                "1", "Memory & huge pages", SettingTable(id="settings"), id="settings-panel"
            )
            yield TextBlock(id="facts")
        yield Inspector(id="page-inspector")

    def show(self, view: View) -> None:
        """Draw one moment."""
        state = view.state
        rows = present_pages.memory_rows(state)
        self.query_one(SettingTable).show(rows, why_empty(view))
        line = counts_line(present_settings.memory_counts(state))
        count = present_pages.count_settings(rows)
        dot = ((" · ", "dim"),) if line else ()
        self.query_one(Panel).head(right=(*line, *dot, (counted(count, "setting"), "dim")))
        self.query_one("#facts", TextBlock).show(present_memory.facts(state))

    def show_selection(self, view: View, selection: Selection | None) -> None:
        """All that is known of the selected row."""
        show_inspector(self.query_one(Inspector), view, selection)

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the table."""
        return (MOVE, PANEL, KeyHint("Enter", "edit"), KeyHint("Space", "stage"))

    def home(self) -> Widget | None:
        """The table."""
        return self.query_one(SettingTable)

    def point_at(self, key: str) -> bool:
        """Put the cursor on a setting."""
        return self.query_one(SettingTable).move_to(key)

    @property
    def selected_key(self) -> str:
        """The row under the cursor."""
        return key_under(self.query_one(SettingTable))


def show_inspector(inspector: Inspector, view: View, selection: Selection | None) -> None:
    """The full form of what is known of a selection; without one, what stands here."""
    if selection is None:
        inspector.show(present_inspect.NOTHING_SELECTED, (), present_inspect.NO_SELECTION, ())
        return
    inspector.show(
        present_inspect.title(selection),
        present_inspect.right(view.state, selection),
        present_inspect.fields(view.state, selection),
        present_inspect.keys(view.state, selection, short=False),
    )

"""Page 3: every disk and its settings, and all that is known of the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from aitune_tui import present_block, present_machine, sentences
from aitune_tui.screens.memory import show_inspector
from aitune_tui.screens.overview import block_line, why_empty
from aitune_tui.screens.page import PANEL, Page, key_under
from aitune_tui.screens.panel import Panel
from aitune_widgets.disk_table import COLUMN_NAMES, DiskTable
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.selection import Selection
    from aitune_tui.view import View


class BlockPage(Page):
    """Table and facts left, inspector right."""

    key: ClassVar[str] = "3"

    def compose(self) -> ComposeResult:
        """Left the disks and what is known of the selected one, right the Why."""
        with Vertical(classes="table-side"):
            yield Panel("3", "Block devices", DiskTable(id="page-disks"), id="disks-panel")
            yield TextBlock(id="disk-facts")
        yield Inspector(id="page-inspector")

    def show(self, view: View) -> None:
        """Draw one moment."""
        table = self.query_one(DiskTable)
        rows = present_machine.disk_rows(view.state, view.history)
        table.show(rows, why_empty(view) or sentences.NO_DISK)
        self.query_one(Panel).head(right=block_line(view))
        facts = present_block.facts(view.state.sample, table.cursor_key or "")
        self.query_one("#disk-facts", TextBlock).show(facts)

    def show_selection(self, view: View, selection: Selection | None) -> None:
        """All that is known of the selected cell."""
        show_inspector(self.query_one(Inspector), view, selection)
        facts = present_block.facts(view.state.sample, self.query_one(DiskTable).cursor_key or "")
        self.query_one("#disk-facts", TextBlock).show(facts)

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the table."""
        return (
            KeyHint("←↑↓→", "move"),
            PANEL,
            KeyHint("Enter", "edit"),
            KeyHint("Space", "stage"),
            KeyHint("S", "all that differ"),
        )

    def home(self) -> Widget | None:
        """The table."""
        return self.query_one(DiskTable)

    def point_at(self, key: str) -> bool:
        """Put the cursor on a cell."""
        knob, _, disk = key.partition("@")
        table = self.query_one(DiskTable)
        if not table.move_to(disk.rstrip("+")):
            return False
        wanted = next((c for c, k in present_machine.COLUMN_KNOBS.items() if k == knob), None)
        if wanted is not None:
            table.action_column(
                COLUMN_NAMES.index(wanted) - COLUMN_NAMES.index(table.cursor_column)
            )
        return True

    @property
    def selected_key(self) -> str:
        """The cell under the cursor."""
        return key_under(self.query_one(DiskTable))

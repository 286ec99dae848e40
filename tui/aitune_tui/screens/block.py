"""Page 3: every disk and its settings, and all that is known of the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from aitune_tui import present_block, present_machine, present_pages, sentences
from aitune_tui.screens.memory import show_inspector
from aitune_tui.screens.overview import block_line, why_empty
from aitune_tui.screens.page import MOVE, PANEL, Page, key_under
from aitune_tui.screens.panel import Panel
from aitune_widgets.disk_table import COLUMN_NAMES, DiskTable
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock
from aitune_widgets.setting_table import SettingTable

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.selection import Selection
    from aitune_tui.view import View


class BlockPage(Page):
    """Table and facts left, inspector right."""

    key: ClassVar[str] = "3"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._view: View | None = None

    def compose(self) -> ComposeResult:
        """Left the disks and what is known of the selected one, right the Why."""
        with Vertical(classes="table-side"):
            yield Panel("3", "Block devices", DiskTable(id="page-disks"), id="disks-panel")
            yield Panel("", "Queue", SettingTable(header=False, id="queue"), id="queue-panel")
            yield TextBlock(id="disk-facts")
        yield Inspector(id="page-inspector")

    def show(self, view: View) -> None:
        """Draw one moment."""
        self._view = view
        table = self.query_one(DiskTable)
        rows = present_machine.disk_rows(view.state, view.history)
        table.show(rows, why_empty(view) or sentences.NO_DISK)
        self.query_one("#disks-panel", Panel).head(right=block_line(view))
        self._show_disk(view)

    def _show_disk(self, view: View) -> None:
        """The rest of the queue of the disk under the cursor, and what is known of it."""
        disk = self.query_one(DiskTable).cursor_key or ""
        matrix = present_machine.COLUMN_KNOBS.values()
        rows = present_pages.queue_rows(view.state, disk, matrix)
        panel = self.query_one("#queue-panel", Panel)
        panel.display = bool(rows)
        panel.head(title=f"Queue of {disk}")
        panel.query_one(SettingTable).show(rows)
        facts = present_block.facts(view.state.sample, disk)
        self.query_one("#disk-facts", TextBlock).show(facts)

    def show_selection(self, view: View, selection: Selection | None) -> None:
        """All that is known of the selected cell."""
        show_inspector(self.query_one(Inspector), view, selection)
        self._show_disk(view)

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the table, or of the rest of a disk's queue."""
        if isinstance(focused, SettingTable):
            return (MOVE, PANEL, KeyHint("Enter", "edit"), KeyHint("Space", "stage"))
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
        """Put the cursor on a cell, or on another setting of the disk's queue."""
        knob, _, disk = key.partition("@")
        table = self.query_one(DiskTable)
        if not table.move_to(disk.rstrip("+")):
            return False
        queue = self.query_one("#queue", SettingTable)
        if knob not in present_machine.COLUMN_KNOBS.values():
            if self._view is not None:
                self._show_disk(self._view)
            queue.focus()
            return queue.move_to(f"{knob}@{disk.rstrip('+')}")
        wanted = next((c for c, k in present_machine.COLUMN_KNOBS.items() if k == knob), None)
        if wanted is not None:
            table.action_column(
                COLUMN_NAMES.index(wanted) - COLUMN_NAMES.index(table.cursor_column)
            )
        return True

    @property
    def selected_key(self) -> str:
        """The cell under the cursor, or the row of the queue."""
        focused = self.screen.focused
        if isinstance(focused, SettingTable):
            return key_under(focused)
        return key_under(self.query_one(DiskTable))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Matrix or queue: what it points at is selected."""
        if key := key_under(event.widget):
            self.post_message(self.Pointed(key))

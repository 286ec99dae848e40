"""What every page of the dashboard has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container
from textual.message import Message

from aitune_tui.present_machine import disk_key
from aitune_widgets.disk_table import DiskTable
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.setting_table import SettingTable
from aitune_widgets.work_list import WorkList

if TYPE_CHECKING:
    from textual.widget import Widget

    from aitune_tui.selection import Selection
    from aitune_tui.view import View

MOVE = KeyHint("↑↓", "move")
PANEL = KeyHint("Tab", "panel")


class Page(Container):
    """One page. It draws what it is given and says what the operator pointed at.

    Attributes:
        key: The digit that opens it.
        folds: Whether its table folds away what is seldom needed.
    """

    key: ClassVar[str] = ""
    folds: ClassVar[bool] = False

    class Pointed(Message):
        """The cursor stands on another row.

        Attributes:
            key: The row's key, in the grammar of `selection`; "" where it is no setting.
        """

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class EditAsked(Message):
        """The operator wants to give the row another value."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class StageAsked(Message):
        """The operator wants the advised value staged, or taken back."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def show(self, view: View) -> None:
        """Draw one moment."""

    def show_selection(self, view: View, selection: Selection | None) -> None:
        """Draw the Why of the selected row, where the page has room for it."""

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the page, beyond those of every page, most used first."""
        return ()

    def home(self) -> Widget | None:
        """What takes the focus when the page opens."""
        return None

    def point_at(self, key: str) -> bool:
        """Put the cursor on a row; False where the page has none of that key."""
        return False

    @property
    def selected_key(self) -> str:
        """The key of the row under the cursor, "" without one."""
        return ""

    @property
    def selected_trial(self) -> str:
        """Id of the trial under the cursor, "" where there is none."""
        return ""

    @on(SettingTable.Highlighted)
    @on(WorkList.Highlighted)
    def _point_at_setting(self, event: SettingTable.Highlighted | WorkList.Highlighted) -> None:
        if event.sender.has_focus:
            self.post_message(self.Pointed(event.key))

    @on(DiskTable.Highlighted)
    def _point_at_cell(self, event: DiskTable.Highlighted) -> None:
        if event.sender.has_focus:
            self.post_message(self.Pointed(disk_key(event.column, event.key)))

    @on(SettingTable.Chosen)
    def _edit_setting(self, event: SettingTable.Chosen) -> None:
        self.post_message(self.EditAsked(event.key))

    @on(DiskTable.Chosen)
    def _edit_cell(self, event: DiskTable.Chosen) -> None:
        self.post_message(self.EditAsked(disk_key(event.column, event.key)))

    @on(SettingTable.StageAsked)
    @on(WorkList.StageAsked)
    def _stage_setting(self, event: SettingTable.StageAsked | WorkList.StageAsked) -> None:
        self.post_message(self.StageAsked(event.key))

    @on(DiskTable.StageAsked)
    def _stage_cell(self, event: DiskTable.StageAsked) -> None:
        self.post_message(self.StageAsked(disk_key(event.column, event.key)))


def key_under(widget: Widget | None) -> str:
    """The key of the row under the cursor of a table, "" for any other widget."""
    if isinstance(widget, DiskTable):
        return disk_key(widget.cursor_column, widget.cursor_key) if widget.cursor_key else ""
    if isinstance(widget, SettingTable | WorkList):
        return widget.cursor_key or ""
    return ""

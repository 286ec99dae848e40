"""Page 6: what was changed here, and how to take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Vertical
from textual.message import Message

from aitune_tui import present_changes, present_settings, sentences
from aitune_tui.screens.page import MOVE, PANEL, Page
from aitune_tui.screens.panel import Panel
from aitune_widgets.changes_list import ChangesList
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.view import View


class ChangesPage(Page):
    """Staged, tried, kept and put back; newest first."""

    key: ClassVar[str] = "6"

    class UndoAsked(Message):
        """The operator opened a trial: plan what puts it back.

        Attributes:
            key: `staged`, or the trial's id.
        """

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def compose(self) -> ComposeResult:
        """Left the list, right one of them in full; below what was said."""
        with Vertical(classes="table-side"):
            yield Panel("6", "Changes", ChangesList(id="all-changes"), id="all-changes-panel")
            yield Panel("", "Said", TextBlock(id="notices"), id="notices-panel")
        yield Inspector(id="page-inspector")

    def show(self, view: View) -> None:
        """Draw one moment."""
        state = view.state
        rows = present_changes.change_rows(state)
        self.query_one(ChangesList).show(rows, sentences.NOTHING_STAGED)
        counts = present_settings.all_counts(state)
        self.query_one("#all-changes-panel", Panel).head(
            right=((f"{counts.staged} staged", "staged"),) if counts.staged else ()
        )
        self.query_one("#notices", TextBlock).show(present_changes.notices(state))
        self._show_detail(view)

    def _show_detail(self, view: View) -> None:
        detail = present_changes.detail(view.state, self.query_one(ChangesList).cursor_key or "")
        self.query_one(Inspector).show(detail.title, detail.right, detail.fields, detail.keys)

    def show_selection(self, view: View, selection: object) -> None:
        """The list follows its own cursor."""
        self._show_detail(view)

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the list."""
        return (MOVE, PANEL, KeyHint("Enter", "plan its undo"), KeyHint("H", "read the journal"))

    def home(self) -> Widget | None:
        """The list."""
        return self.query_one(ChangesList)

    def point_at(self, key: str) -> bool:
        """Put the cursor on a trial."""
        return self.query_one(ChangesList).move_to(key)

    @property
    def selected_trial(self) -> str:
        """Id of the trial under the cursor, "" for what is staged."""
        key = self.query_one(ChangesList).cursor_key or ""
        return "" if key == "staged" else key

    @on(ChangesList.Highlighted)
    def _highlighted(self) -> None:
        self.post_message(self.Pointed(""))

    @on(ChangesList.Chosen)
    def _chosen(self, event: ChangesList.Chosen) -> None:
        self.post_message(self.UndoAsked(event.key))

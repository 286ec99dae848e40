"""Page P: profiles, and this machine beside one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.message import Message

from aitune_tui import present_profiles
from aitune_tui.present_settings import all_counts
from aitune_tui.profiling import setting_of
from aitune_tui.screens.page import MOVE, PANEL, Page
from aitune_tui.screens.panel import Panel
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.lines import TextBlock
from aitune_widgets.profile_list import ProfileList
from aitune_widgets.verdict_table import VerdictTable

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.view import View


class ProfilesPage(Page):
    """Above the profiles there are, below the settings of the one under the cursor."""

    key: ClassVar[str] = "P"

    class ProfileChosen(Message):
        """The cursor stands on another profile: compare the machine with it."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class RowStaged(Message):
        """Stage what a row wants, or take it back."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def compose(self) -> ComposeResult:
        """The list, the table, and one row of it in full."""
        yield Panel("P", "Profiles", ProfileList(id="profile-list"), id="profiles-panel")
        yield Panel("", "Profile", VerdictTable(id="verdicts"), id="verdicts-panel")
        yield TextBlock(id="verdict-detail")

    def show(self, view: View) -> None:
        """Draw one moment."""
        state = view.state
        self.query_one(ProfileList).show(present_profiles.profile_rows(state))
        empty = present_profiles.empty(state)
        self.query_one(VerdictTable).show(present_profiles.verdict_rows(state), empty)
        head = self.query_one("#verdicts-panel", Panel)
        head.head(title=present_profiles.title(state), right=present_profiles.counts(state))
        self._show_detail(view)

    def _show_detail(self, view: View) -> None:
        key = self.query_one(VerdictTable).cursor_key or ""
        lines = present_profiles.detail(view.state, key, short=view.is_compact)
        self.query_one("#verdict-detail", TextBlock).show(lines)

    def show_selection(self, view: View, selection: object) -> None:
        """The detail follows the table's own cursor."""
        self._show_detail(view)

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the page."""
        state = view.state
        differ = present_profiles.differing(state.compared)
        plan = f"plan {all_counts(state).staged}" if state.staged else f"plan all {differ}"
        possible = bool(state.staged or differ)
        own = (KeyHint("Space", "stage"),) if isinstance(focused, VerdictTable) else ()
        export = KeyHint("x", "export", possible=state.compared is not None)
        return (MOVE, *own, KeyHint("p", plan, possible=possible), export, PANEL)

    def home(self) -> Widget | None:
        """The list."""
        return self.query_one(ProfileList)

    def point_at(self, key: str) -> bool:
        """Put the cursor on a profile."""
        return self.query_one(ProfileList).move_to(key)

    @property
    def selected_key(self) -> str:
        """The setting under the table's cursor."""
        return setting_of(self.query_one(VerdictTable).cursor_key or "")

    @on(ProfileList.Highlighted)
    def _highlighted(self, event: ProfileList.Highlighted) -> None:
        if event.sender.has_focus:
            self.post_message(self.ProfileChosen(event.key))

    @on(ProfileList.Chosen)
    def _into_the_table(self) -> None:
        self.query_one(VerdictTable).focus()

    @on(VerdictTable.Highlighted)
    def _pointed(self, event: VerdictTable.Highlighted) -> None:
        if event.sender.has_focus:
            self.post_message(self.Pointed(setting_of(event.key)))

    @on(VerdictTable.Chosen)
    @on(VerdictTable.StageAsked)
    def _stage(self, event: VerdictTable.Chosen | VerdictTable.StageAsked) -> None:
        self.post_message(self.RowStaged(event.key))

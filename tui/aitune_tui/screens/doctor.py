"""Page 7: what was found of this machine, each with what it means, what to do, and its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Vertical
from textual.message import Message

from aitune_tui import present_doctor
from aitune_tui.screens.page import MOVE, PANEL, Page
from aitune_tui.screens.panel import Panel
from aitune_widgets.findings_list import FindingsList
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.view import View


class DoctorPage(Page):
    """Left the findings, the urgent ones first, and our own cost; right one of them in full."""

    key: ClassVar[str] = "7"

    class FixAsked(Message):
        """The operator wants what mends a finding staged, or taken back.

        Attributes:
            key: Id of the finding.
            plan: Whether its plan is to be opened too.
        """

        def __init__(self, key: str, *, plan: bool) -> None:
            super().__init__()
            self.key = key
            self.plan = plan

    def compose(self) -> ComposeResult:
        """The list and the detail beside it, or below it where there is one column."""
        with Vertical(classes="table-side"):
            yield Panel("7", "Doctor", FindingsList(id="findings"), id="doctor-panel")
            yield TextBlock(id="doctor-facts")
        yield Inspector(id="doctor-inspector")

    def show(self, view: View) -> None:
        """Draw one moment."""
        state = view.state
        rows = present_doctor.rows(state)
        self.query_one(FindingsList).show(rows, present_doctor.NOTHING_FOUND)
        self.query_one(Panel).head(right=present_doctor.counts(state))
        self.query_one("#doctor-facts", TextBlock).show(
            (
                *present_doctor.helper_lines(state.hello, short=view.is_compact),
                *present_doctor.our_cost(state),
            )
        )
        self._show_detail(view)

    def _show_detail(self, view: View) -> None:
        detail = present_doctor.detail(view.state, self._selected)
        self.query_one(Inspector).show(detail.title, detail.right, detail.fields, detail.keys)

    def show_selection(self, view: View, selection: object) -> None:
        """The detail follows the list's own cursor."""
        self._show_detail(view)

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the list; those of a fix only where the finding has one."""
        finding = present_doctor.find(view.state, self._selected)
        possible = finding is not None and bool(finding.fix)
        return (
            MOVE,
            KeyHint("Enter", "plan what mends it", possible=possible),
            KeyHint("Space", "stage", possible=possible),
            PANEL,
        )

    def home(self) -> Widget | None:
        """The list."""
        return self.query_one(FindingsList)

    def point_at(self, key: str) -> bool:
        """Put the cursor on a finding."""
        return self.query_one(FindingsList).move_to(key)

    @property
    def _selected(self) -> str:
        return self.query_one(FindingsList).cursor_key or ""

    @on(FindingsList.Highlighted)
    def _highlighted(self) -> None:
        self.post_message(self.Pointed(""))

    @on(FindingsList.Chosen)
    def _chosen(self, event: FindingsList.Chosen) -> None:
        self.post_message(self.FixAsked(event.key, plan=True))

    @on(FindingsList.StageAsked)
    def _stage(self, event: FindingsList.StageAsked) -> None:
        self.post_message(self.FixAsked(event.key, plan=False))

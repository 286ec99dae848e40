"""Pages 4 and 5: timing loads, and two blocks of runs beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from aitune_tui import present_measuring
from aitune_tui.present_load import load_head, load_view
from aitune_tui.screens.page import Page
from aitune_tui.screens.panel import Panel
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.lines import TextBlock
from aitune_widgets.load_panel import LoadPanel
from aitune_widgets.run_table import RunTable

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.view import View


class LoadPage(Page):
    """The load that is going on, and the load test."""

    key: ClassVar[str] = "4"

    def compose(self) -> ComposeResult:
        """Above what is seen, below what is timed."""
        yield Panel("4", "Load", LoadPanel(id="page-load"), id="page-load-panel")
        yield Panel(
            "",
            "Load test",
            LoadPanel(id="test-progress"),
            TextBlock(id="test-setup"),
            VerticalScroll(RunTable(id="test-runs"), id="runs-scroll", can_focus=True),
            id="test-panel",
        )

    def show(self, view: View) -> None:
        """Draw one moment."""
        panel = self.query_one("#page-load", LoadPanel)
        panel.show(load_view(view.state, view.track, can_run=False, short=False))
        head = load_head(view.state, compact=view.is_compact)
        self.query_one("#page-load-panel", Panel).head(right=head)
        measuring = view.measuring
        progress = self.query_one("#test-progress", LoadPanel)
        progress.display = measuring.running
        progress.show(present_measuring.progress(measuring))
        self.query_one("#test-setup", TextBlock).show(
            present_measuring.setup(measuring, live=view.machine.origin == "live")
        )
        blocks, sentences = present_measuring.results(measuring)
        self.query_one(RunTable).show(blocks, sentences)
        self.query_one("#test-panel", Panel).head(right=present_measuring.word(measuring))

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of a load test."""
        if view.measuring.running:
            return (KeyHint("c", "cancel"),)
        ready = view.measuring.model is not None
        return (
            KeyHint("l", "time a load", possible=ready),
            KeyHint("o", "choose files"),
            KeyHint("e", view.measuring.engine),
            KeyHint("s", view.measuring.file_state),
            KeyHint("n", f"{view.measuring.runs} runs"),
        )

    def home(self) -> Widget | None:
        """The list of results."""
        return self.query_one("#runs-scroll")


class ComparePage(Page):
    """Before and after, and the sentence that two blocks of runs are not a comparison."""

    key: ClassVar[str] = "5"

    def compose(self) -> ComposeResult:
        """One panel."""
        yield Panel("5", "Before and after", RunTable(id="pair"), focusable=True, id="pair-panel")
        exercise = (LoadPanel(id="exercise-progress"), TextBlock(id="exercise-steps"))
        yield Panel("", "Exercise", *exercise, id="exercise-panel")

    def show(self, view: View) -> None:
        """Draw one moment."""
        blocks, sentences = present_measuring.pair(view.measuring)
        self.query_one(RunTable).show(blocks, sentences)
        self.query_one("#pair-panel", Panel).head(right=present_measuring.pair_word(view.measuring))
        measuring = view.measuring
        panel = self.query_one("#exercise-panel", Panel)
        panel.display = bool(measuring.exercise)
        panel.head(right=((measuring.exercise, "dim"),))
        progress = self.query_one("#exercise-progress", LoadPanel)
        progress.display = measuring.exercising
        progress.show(present_measuring.progress(measuring))
        self.query_one("#exercise-steps", TextBlock).show([(step,) for step in measuring.steps])

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """How to get runs, or to stop."""
        if view.measuring.running:
            return (KeyHint("c", "cancel and undo" if view.measuring.exercising else "cancel"),)
        return (KeyHint("l", "time a load"), KeyHint("o", "choose files"))

    def home(self) -> Widget | None:
        """The panel."""
        return self.query_one("#pair-panel")

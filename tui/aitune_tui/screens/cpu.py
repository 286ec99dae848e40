"""Page 2: every core one cell, its settings below, and which cores differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Horizontal, Vertical

from aitune_tui import present_cpu, present_machine, present_pages, present_settings, sentences
from aitune_tui.screens.memory import show_inspector
from aitune_tui.screens.overview import counts_line
from aitune_tui.screens.page import MOVE, PANEL, Page, key_under
from aitune_tui.screens.panel import Panel
from aitune_widgets.core_grid import CoreGrid
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
    from aitune_widgets.text import Segment


class CpuPage(Page):
    """The grid of cores, the table of settings beside what is known of the core, the odd cores."""

    key: ClassVar[str] = "2"
    folds: ClassVar[bool] = True

    def compose(self) -> ComposeResult:
        """Grid, settings, cores that differ."""
        yield Panel("2", "CPU", CoreGrid(id="grid"), TextBlock(id="no-control"), id="grid-panel")
        with Horizontal(id="core-row"):
            yield Panel("", "Settings", SettingTable(id="core-settings"), id="core-panel")
            with Vertical(id="core-side"):
                yield TextBlock(id="core-facts")
                yield Inspector(id="page-inspector")
        yield Panel("", "Cores that differ", TextBlock(id="odd-cores"), id="odd-panel")

    def show(self, view: View) -> None:
        """Draw one moment."""
        state = view.state
        grid = self.query_one(CoreGrid)
        legend = present_machine.grid_legend(state.sample)
        grid.show(present_machine.node_cores(state), legend)
        has_control = bool(state.sample and state.sample.policies)
        note = self.query_one("#no-control", TextBlock)
        note.display = state.sample is not None and not has_control
        captured = view.machine.origin == "capture"
        note.show((((sentences.no_cpufreq(captured=captured), "dim"),),))
        right: list[Segment] = [(present_machine.cpu_word(state), "dim")] if state.sample else []
        asks = counts_line(present_settings.cpu_counts(state))
        if asks:
            right += [(" · ", "dim"), *asks]
        self.query_one("#grid-panel", Panel).head(right=tuple(right))
        core = present_cpu.core(state, grid.cursor_cpu)
        self.query_one(SettingTable).show((*present_pages.cpu_rows(state), *core.rows))
        self.query_one("#core-facts", TextBlock).show(core.facts)
        odd = present_cpu.odd_cores(state)
        self.query_one("#odd-cores", TextBlock).show(odd.lines)
        panel = self.query_one("#odd-panel", Panel)
        panel.head(right=odd.right)
        panel.set_class(not has_control, "-nothing")

    def show_selection(self, view: View, selection: Selection | None) -> None:
        """The facts of the core follow the cursor of the grid."""
        self.show(view)
        show_inspector(self.query_one(Inspector), view, selection)

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the grid, or of the table."""
        if isinstance(focused, CoreGrid):
            return (
                KeyHint("←↑↓→", "core"),
                PANEL,
                KeyHint("n", "next that differs"),
                KeyHint("Enter", "edit"),
                KeyHint("Space", "stage"),
                KeyHint("S", "all that differ"),
            )
        return (MOVE, PANEL, KeyHint("Enter", "edit"), KeyHint("Space", "stage"))

    def home(self) -> Widget | None:
        """The grid, or the table where cores cannot be set."""
        return self.query_one(CoreGrid)

    def point_at(self, key: str) -> bool:
        """Put the cursor on a setting."""
        table = self.query_one(SettingTable)
        if table.move_to(key):
            table.focus()
            return True
        return False

    @property
    def selected_key(self) -> str:
        """The core under the cursor, or the row of the table."""
        focused = self.screen.focused
        if isinstance(focused, SettingTable):
            return key_under(focused)
        return self._core_key(self.query_one(CoreGrid).cursor_cpu)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Grid or table: what it points at is selected."""
        self.post_message(self.Pointed(self.selected_key))

    def _core_key(self, cpu: int | None) -> str:
        return f"cpu:{cpu}" if cpu is not None else ""

    @on(CoreGrid.CoreHighlighted)
    def _point_at_core(self, event: CoreGrid.CoreHighlighted) -> None:
        self.post_message(self.Pointed(self._core_key(event.cpu)))

    @on(CoreGrid.CoreChosen)
    def _edit_core(self, event: CoreGrid.CoreChosen) -> None:
        self.post_message(self.EditAsked(self._core_key(event.cpu)))

    @on(CoreGrid.CoreStageAsked)
    def _stage_core(self, event: CoreGrid.CoreStageAsked) -> None:
        self.post_message(self.StageAsked(self._core_key(event.cpu)))

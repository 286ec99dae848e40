"""Page 0: will memory last, how long does the load take, does anything ask for me."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.containers import Vertical
from textual.message import Message

from aitune_backends.targets import DIFFERS
from aitune_tui import (
    present_inspect,
    present_machine,
    present_pages,
    present_settings,
    sentences,
)
from aitune_tui.present_load import load_head, load_view
from aitune_tui.screens.charts import Charts
from aitune_tui.screens.page import MOVE, PANEL, Page, key_under
from aitune_tui.screens.panel import Panel
from aitune_tui.selection import Statuses
from aitune_tui.words import clock, counted
from aitune_widgets.changes_list import ChangesList
from aitune_widgets.core_grid import CoreGrid
from aitune_widgets.disk_table import DiskTable
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock
from aitune_widgets.load_panel import LoadPanel
from aitune_widgets.setting_table import SettingTable
from aitune_widgets.work_list import WorkList

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_tui.present_settings import Counts
    from aitune_tui.selection import Selection
    from aitune_tui.view import Layout, View
    from aitune_widgets.text import Line, Segment

# Nodes that get a line of cells on the overview; all of them are on page 2.
_MOST_NODES = 4
# Rows that the panel of memory has room for, below the names of its columns.
_MEMORY_ROWS: dict[Layout, int] = {"normal": 11, "wide": 14}


class Overview(Page):
    """The panels beside each other, or one column where there is no room for two."""

    key: ClassVar[str] = "0"

    class PageAsked(Message):
        """The operator opened a row of the work list: its page, with the cursor on it."""

        def __init__(self, page: str, key: str) -> None:
            super().__init__()
            self.page = page
            self.key = key

    def compose(self) -> ComposeResult:
        """Left what you set, right what happens, far right why."""
        with Vertical(id="left"):
            yield Panel("1", "Memory & huge pages", SettingTable(id="memory"), id="memory-panel")
            yield Panel(
                "2",
                "CPU",
                CoreGrid(compact=True, id="cores"),
                TextBlock(id="no-cpufreq"),
                SettingTable(header=False, id="cpu"),
                id="cpu-panel",
            )
            yield Panel("3", "Block devices", DiskTable(id="disks"), id="block-panel")
        with Vertical(id="middle"):
            yield Panel("4", "Load", LoadPanel(id="load"), focusable=True, id="load-panel")
            yield Panel("", "What differs", WorkList(id="work"), id="work-panel")
            yield Charts(id="chart-panel")
            yield Inspector(id="why")
        with Vertical(id="right"):
            yield Inspector(id="inspector")
            yield Panel("6", "Changes", ChangesList(id="changes"), id="changes-panel")

    def show(self, view: View) -> None:
        """Draw one moment; only what is on the screen."""
        if view.is_compact:
            self._show_work(view)
        else:
            self._show_memory(view)
            self._show_cpu(view)
            self._show_block(view)
        self._show_load(view)
        self.query_one(Charts).show(view)
        if view.layout == "wide":
            from aitune_tui.present_changes import change_rows

            rows = change_rows(view.state)
            self.query_one("#changes", ChangesList).show(rows, sentences.NOTHING_STAGED)
            staged = present_settings.all_counts(view.state).staged
            right: Line = ((f"{staged} staged", "staged"),) if staged else ()
            self.query_one("#changes-panel", Panel).head(right=right)

    def show_selection(self, view: View, selection: Selection | None) -> None:
        """The Why of the selected row."""
        if view.is_compact:
            return
        wide = view.layout == "wide"
        inspector = self.query_one("#inspector" if wide else "#why", Inspector)
        state = view.state
        if selection is None:
            self._show_first_run(view, inspector)
            return
        make = present_inspect.fields if wide else present_inspect.short_fields
        inspector.show(
            present_inspect.title(selection),
            present_inspect.right(state, selection),
            make(state, selection),
            present_inspect.keys(state, selection, short=not wide),
        )

    def hints(self, view: View, focused: Widget | None) -> tuple[KeyHint, ...]:
        """The keys of the focused panel."""
        if isinstance(focused, WorkList):
            return (MOVE, KeyHint("Enter", "open"), KeyHint("Space", "stage"))
        if isinstance(focused, ChangesList):
            return (MOVE, PANEL, KeyHint("Enter", "open"))
        if isinstance(focused, SettingTable | DiskTable):
            move = KeyHint("←↑↓→", "move") if isinstance(focused, DiskTable) else MOVE
            return (move, PANEL, KeyHint("Enter", "edit"), KeyHint("Space", "stage"))
        if focused is not None and focused.id == "load-panel":
            return (PANEL, KeyHint("l", "time a load"), KeyHint("o", "choose files"))
        return (PANEL,)

    def home(self) -> Widget | None:
        """The work list, or the memory panel."""
        compact = self.screen.has_class("-compact")
        return self.query_one("#work" if compact else "#memory")

    def point_at(self, key: str) -> bool:
        """Put the cursor of the memory table, or of the work list, on a row."""
        return any(
            table.move_to(key)
            for table in (self.query_one("#memory", SettingTable), self.query_one(WorkList))
        )

    @property
    def selected_key(self) -> str:
        """The row under the cursor."""
        focused = self.screen.focused
        return key_under(focused) if focused is not None and self in focused.ancestors else ""

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Another panel took the focus: what it points at is selected."""
        if key := key_under(event.widget):
            self.post_message(self.Pointed(key))

    @on(WorkList.Chosen)
    def _open_row(self, event: WorkList.Chosen) -> None:
        knob = event.key.partition("@")[0]
        self.post_message(self.PageAsked(present_settings.panel_of(knob), event.key))

    @on(ChangesList.Chosen)
    def _open_change(self, event: ChangesList.Chosen) -> None:
        self.post_message(self.PageAsked("6", event.key))

    def _show_memory(self, view: View) -> None:
        counts = present_settings.memory_counts(view.state)
        rows = present_pages.overview_rows(view.state, _MEMORY_ROWS[view.layout])
        empty = why_empty(view) or (sentences.NO_MEMORY_SETTING if view.state.surveyed else "")
        self.query_one("#memory", SettingTable).show(rows, empty)
        self.query_one("#memory-panel", Panel).head(right=counts_line(counts))

    def _show_cpu(self, view: View) -> None:
        state = view.state
        nodes = present_machine.node_cores(state)
        self.query_one("#cores", CoreGrid).show(nodes[:_MOST_NODES])
        has_control = bool(state.sample and state.sample.policies)
        note = self.query_one("#no-cpufreq", TextBlock)
        note.display = state.sample is not None and not has_control
        captured = view.machine.origin == "capture"
        note.show((((sentences.no_cpufreq(captured=captured), "dim"),),))
        rows = present_pages.cpu_rows(state, overview=True)
        self.query_one("#cpu", SettingTable).show(rows)
        right: list[Segment] = []
        if state.sample is not None:
            right.append((present_machine.cpu_word(state), "dim"))
        asks = counts_line(present_settings.cpu_counts(state))
        if asks:
            right += [(" · ", "dim"), *asks]
        self.query_one("#cpu-panel", Panel).head(right=tuple(right))

    def _show_block(self, view: View) -> None:
        rows = present_machine.disk_rows(view.state, view.history)
        self.query_one("#disks", DiskTable).show(rows, why_empty(view) or sentences.NO_DISK)
        self.query_one("#block-panel", Panel).head(right=block_line(view))

    def _show_load(self, view: View) -> None:
        self.query_one("#load-panel", Panel).head(
            right=load_head(view.state, compact=view.is_compact)
        )
        can_run = view.machine.origin == "live" and not view.is_compact
        panel = self.query_one("#load", LoadPanel)
        panel.show(load_view(view.state, view.track, can_run=can_run, short=view.is_compact))

    def _show_work(self, view: View) -> None:
        state = view.state
        rows = present_settings.work_rows(state)
        empty = ""
        if state.surveyed is not None:
            count = counted(len(state.statuses), "setting")
            empty = f"Everything is as advised. {count} read at {clock(state.surveyed)}."
        if state.filter_text:
            empty = why_empty(view)
        self.query_one("#work", WorkList).show(rows, empty)
        counts = present_settings.all_counts(state)
        self.query_one("#work-panel", Panel).head(right=counts_line(counts))

    def _show_first_run(self, view: View, inspector: Inspector) -> None:
        """What works without root, and the ways to write: until the cursor first moves."""
        inspector.show(
            "Looking only",
            (("no root", "dim"),),
            present_inspect.first_run_fields(view.state),
        )


def why_empty(view: View) -> str:
    """What a table without rows says: the filter, or `!`, keeps them from it."""
    state = view.state
    return sentences.nothing_shown(state.filter_text, differs_only=state.differs_only)


def counts_line(counts: Counts) -> Line:
    """`1 drifted · 3 on trial · 2 differ · 3 staged`; nothing where nothing asks."""
    parts: list[Segment] = []
    if counts.drifted:
        parts.append((f"{counts.drifted} drifted", "failed-bold"))
    if counts.trial:
        parts.append((f"{counts.trial} on trial", "differs-bold"))
    if counts.differ:
        word = "differs" if counts.differ == 1 else "differ"
        parts.append((f"{counts.differ} {word}", "differs"))
    if counts.staged:
        parts.append((f"{counts.staged} staged", "staged"))
    line: list[Segment] = []
    for part in parts:
        line += [(" · ", "dim"), part] if line else [part]
    return tuple(line)


def block_line(view: View) -> Line:
    """`1 differs, on 4 of 6`, and what is staged or on trial."""
    counts = present_settings.block_counts(view.state)
    line = counts_line(counts)
    if (
        not counts.differ
        or counts.trial
        or counts.staged
        or counts.drifted
        or view.state.sample is None
    ):
        return line
    disks = {
        status.instance
        for knob, statuses in Statuses.of(view.state.statuses).asking.items()
        for status in statuses
        if knob.startswith("block.") and status.state == DIFFERS
    }
    return (*line, (f", on {len(disks)} of {len(view.state.sample.disks)}", "differs"))

"""Cores, one cell each: height is frequency, colour only where a setting differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.message import Message

from aitune_widgets.bars import column_of
from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Row, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from aitune_widgets.theme import Tone


@dataclass(frozen=True, slots=True)
class NodeCores:
    """The cores of one node.

    Attributes:
        name: `node0`.
        cpus_label: `0–31`.
        heights: Frequency of each core as a share of the range, 0..1; None is not known.
        differs: Whether a setting of the core differs from what is advised.
        mean_ghz: Mean frequency, without unit; `–` where it is not known.
        busy: `98 %`; empty where it is not known.
        busy_tone: Tone of that: `strong` for busy nodes, `dim` for idle ones.
        governor: Governor of all, or `2 values`.
        governor_tone: Tone of that.
        governor_note: Second line in full mode: `powersave ×16`.
        cpus: Number of each core; empty counts on from the node before.
    """

    name: str
    cpus_label: str
    heights: tuple[float | None, ...]
    differs: tuple[bool, ...] = ()
    mean_ghz: str = "–"
    busy: str = ""
    governor: str = ""
    governor_tone: Tone = "fg"
    governor_note: str = ""
    cpus: tuple[int, ...] = ()
    busy_tone: Tone = "fg"


class _Strip(NamedTuple):
    """One line of cells: which node, its first core, how many."""

    node: int
    first: int
    cells: int


class _At(NamedTuple):
    """Columns of the full grid, and cells a line."""

    cells: int
    per_line: int
    ghz: int
    busy: int
    governor: int


def _columns(width: int) -> _At:
    """As many cells a line, in eights, as leave room for the three columns at the right."""
    busy, governor = (16, 19) if width >= 110 else (12, 14)
    per_line = next((n for n in (64, 32, 16) if 9 + n + n // 8 + governor + 20 <= width), 8)
    end = 9 + per_line + per_line // 8
    return _At(10, per_line, end + 6, end + busy, end + governor)


class CoreGrid(LineWidget, can_focus=True):
    """Compact: a line a node, for the overview. Full: a cell a core, with a cursor.

    Messages: `CoreHighlighted`, `CoreChosen` (Enter, click on the cursor), `CoreStageAsked`.
    """

    class CoreMessage(Message):
        """Something happened to one core.

        Attributes:
            cpu: Its number.
        """

        def __init__(self, cpu: int) -> None:
            super().__init__()
            self.cpu = cpu

    class CoreHighlighted(CoreMessage):
        """The cursor stands on another core."""

    class CoreChosen(CoreMessage):
        """Enter, or a click on the cursor's core."""

    class CoreStageAsked(CoreMessage):
        """Space."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", show=False),
        Binding("right,l", "step(1)", show=False),
        Binding("up,k", "line(-1)", show=False),
        Binding("down,j", "line(1)", show=False),
        Binding("n", "next_differing", show=False),
        Binding("enter", "choose", show=False),
        Binding("space", "stage", show=False),
    ]

    def __init__(
        self, *, compact: bool = False, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.can_focus = not compact
        self._compact = compact
        self._cores: tuple[NodeCores, ...] = ()
        self._cpus: tuple[tuple[int, ...], ...] = ()
        self._legend = ""
        self._cursor: int | None = None
        self._top = 0

    def show(self, nodes: Sequence[NodeCores], legend: str = "") -> None:
        """Show these nodes; the legend explains heights in full mode."""
        if (tuple(nodes), legend) == (self._cores, self._legend):
            return
        self._cores = tuple(nodes)
        self._legend = legend
        self._cpus = _numbers(self._cores)
        every = [cpu for cpus in self._cpus for cpu in cpus]
        if self._cursor not in every:
            self._cursor = every[0] if every else None
        self.repaint()

    @property
    def cursor_cpu(self) -> int | None:
        """The core under the cursor."""
        return self._cursor

    def move_to(self, cpu: int) -> bool:
        """Put the cursor on this core; False if it is not shown."""
        if not any(cpu in cpus for cpus in self._cpus):
            return False
        moved, self._cursor = cpu != self._cursor, cpu
        self._reveal()
        self.repaint()
        if moved:
            self.post_message(self.CoreHighlighted(cpu))
        return True

    # Drawing

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """The grid in the room there is."""
        if self._compact:
            return [Row(compact_line(node, width)) for node in self._cores]
        at = _columns(width)
        strips = self._strip_list(at)
        rows = self._head(width, at)
        for strip in strips[self._top :]:
            rows.extend(self._strip_rows(strip, width, at))
        if len(rows) > height > 2:
            rows[height - 1] = self._more_row(strips[self._top + (height - 3) // 2 :], width)
        return rows

    def row_count(self, width: int) -> int:
        """Lines of the whole grid."""
        if self._compact:
            return len(self._cores)
        return 2 + 2 * len(self._strip_list(_columns(width)))

    def _strip_list(self, at: _At) -> list[_Strip]:
        return [
            _Strip(index, first, min(at.per_line, len(node.heights) - first))
            for index, node in enumerate(self._cores)
            for first in range(0, max(1, len(node.heights)), at.per_line)
        ]

    def _more_row(self, hidden: Sequence[_Strip], width: int) -> Row:
        """Which cores are below."""
        first, last = hidden[0], self._cpus[-1]
        out = Columns(width)
        if last:
            out.put(1, f"↓ cpu {self._cpus[first.node][first.first]}–{last[-1]}", "dim")
        return Row(out.line())

    def _head(self, width: int, at: _At) -> list[Row]:
        """The legend and the names of the columns; the legend below them where room is short."""
        names, below = Columns(width), Columns(width)
        names.put_right(at.ghz, "GHz", "dim")
        names.put_right(at.busy, "BUSY", "dim")
        names.put(at.governor, "GOVERNOR", "dim")
        legend = clean(self._legend)
        beside = at.cells + cell_len(legend) < at.ghz - 3
        (names if beside else below).put(at.cells if beside else 1, legend, "dim")
        return [Row(names.line()), Row(below.line())]

    def _strip_rows(self, strip: _Strip, width: int, at: _At) -> list[Row]:
        node = self._cores[strip.node]
        top, below = Columns(width), Columns(width)
        if strip.first == 0:
            top.put(1, node.name, "fg")
            below.put(1, node.cpus_label, "dim")
            top.put_right(at.ghz, node.mean_ghz, "fg")
            top.put_right(at.busy, node.busy, node.busy_tone)
            top.put(at.governor, node.governor, node.governor_tone)
            below.put(at.governor, node.governor_note, node.governor_tone)
        for offset in range(strip.cells):
            index = strip.first + offset
            column = at.cells + offset + offset // 8
            differs = index < len(node.differs) and node.differs[index]
            selected = self.has_focus and self._cpus[strip.node][index] == self._cursor
            tone: Tone = "core-cursor" if selected else "differs" if differs else "used"
            top.put(column, column_of(node.heights[index]), tone)
            if selected:
                below.put(column, "▲" if differs else "^", "focus-bold")
            elif differs:
                below.put(column, "▲", "differs")
        return [Row(top.line()), Row(below.line())]

    # Moving

    def _place(self) -> tuple[int, int] | None:
        """Node and index of the cursor's core."""
        for node, cpus in enumerate(self._cpus):
            if self._cursor in cpus:
                return node, cpus.index(self._cursor)
        return None

    def resized(self) -> None:
        """Show the nodes from the first one on, if the cursor can be seen then."""
        self._top = 0
        self._reveal()

    def _reveal(self) -> None:
        width, height = self.content_size
        place = self._place()
        if self._compact or place is None or width < 1 or height < 1:
            return
        at = _columns(width)
        strips = self._strip_list(at)
        wanted = next(
            i
            for i, s in enumerate(strips)
            if s.node == place[0] and s.first <= place[1] < s.first + max(1, s.cells)
        )
        fits = 2 + 2 * len(strips) <= height
        room = max(1, (height - 2 if fits else height - 3) // 2)
        self._top = max(0, min(max(self._top, wanted - room + 1), wanted, len(strips) - 1))

    def action_step(self, step: int) -> None:
        """Move the cursor by so many cores, on into the next node."""
        every = [cpu for cpus in self._cpus for cpu in cpus]
        if self._cursor in every:
            index = every.index(self._cursor) + step
            if 0 <= index < len(every):
                self.move_to(every[index])

    def action_line(self, step: int) -> None:
        """Move the cursor to the same column of the next line of cells."""
        place = self._place()
        if place is None:
            return
        strips = self._strip_list(_columns(self.content_size.width))
        here = next(
            i for i, s in enumerate(strips) if s.node == place[0] and s.first <= place[1]
            < s.first + s.cells
        )  # fmt: skip
        if 0 <= here + step < len(strips) and strips[here + step].cells:
            offset = place[1] - strips[here].first
            strip = strips[here + step]
            self.move_to(self._cpus[strip.node][strip.first + min(offset, strip.cells - 1)])

    def action_next_differing(self) -> None:
        """Move the cursor to the next core with a differing setting, round and round."""
        differing = [
            cpu
            for node, cpus in zip(self._cores, self._cpus, strict=True)
            for cpu, differs in zip(cpus, node.differs, strict=False)
            if differs
        ]
        if differing and self._cursor is not None:
            after = [cpu for cpu in differing if cpu > self._cursor]
            self.move_to(after[0] if after else differing[0])

    def action_choose(self) -> None:
        """Say that the cursor's core is chosen."""
        if self._cursor is not None:
            self.post_message(self.CoreChosen(self._cursor))

    def action_stage(self) -> None:
        """Say that the cursor's core is to be staged."""
        if self._cursor is not None:
            self.post_message(self.CoreStageAsked(self._cursor))

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show the cursor, or hide it."""
        super().watch_has_focus(has_focus)
        self._reveal()
        self.repaint()

    def on_click(self, event: events.Click) -> None:
        """Move to the core clicked on; a click on the cursor's core chooses it."""
        position = event.get_content_offset(self)
        cpu = self.cpu_at(*position) if position is not None else None
        if cpu is not None:
            if cpu == self._cursor:
                self.action_choose()
            else:
                self.move_to(cpu)

    def cpu_at(self, x: int, y: int) -> int | None:
        """The core drawn at this cell, if one is."""
        if self._compact or y < 2:
            return None
        at = _columns(self.content_size.width)
        strips = self._strip_list(at)
        index = self._top + (y - 2) // 2
        offset, gap = divmod(x - at.cells, 9)
        if index >= len(strips) or x < at.cells or gap == 8:
            return None
        position = offset * 8 + gap
        strip = strips[index]
        if position >= strip.cells:
            return None
        return self._cpus[strip.node][strip.first + position]


def _numbers(nodes: Sequence[NodeCores]) -> tuple[tuple[int, ...], ...]:
    """The numbers of the cores of each node."""
    out: list[tuple[int, ...]] = []
    count = 0
    for node in nodes:
        size = len(node.heights)
        given = node.cpus if len(node.cpus) == size else tuple(range(count, count + size))
        out.append(given)
        count += size
    return tuple(out)


def compact_line(node: NodeCores, width: int) -> tuple[tuple[str, Tone], ...]:
    """One node in one line: at most 32 cells, each one core or the mean of a few neighbours."""
    out = Columns(width)
    out.put(2, node.name, "dim")
    room = max(1, min(32, width - 35))
    per_cell = max(1, -(-len(node.heights) // room))
    for cell, first in enumerate(range(0, len(node.heights), per_cell)):
        known = [h for h in node.heights[first : first + per_cell] if h is not None]
        mean = sum(known) / len(known) if known else None
        differs = any(node.differs[first : first + per_cell])
        out.put(9 + cell, column_of(mean, top=7), "differs" if differs else "used")
    edge = 9 + room + 7
    out.put_right(edge, node.mean_ghz, "fg")
    out.put(edge + 1, "GHz", "dim")
    out.put(edge + 6, node.governor, node.governor_tone)
    return out.line()

"""Memory in two lines: will it last. A third follows a load on pages without a load panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_widgets.bars import draw_bar, shares
from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Line, Row, Segment, clean, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone

_NUMBER_FIELD = 27
"""`12345.6 GiB available  86 %`: the widest it gets, so that the bar never moves."""
_LOAD_FIELD = 31
"""`16.1 GB/s   52 s left  47 – 60 s`, and without the range: the bar gives way to longer ones."""
_LOAD_FIELD_SHORT = 25


@dataclass(frozen=True, slots=True)
class StripLoad:
    """A load in one line.

    Attributes:
        fraction: Share read, 0..1; None is not known.
        rate: `6.1 GB/s`.
        left: `52 s left`.
        range_: `47 – 60 s`.
    """

    fraction: float | None
    rate: str
    left: str
    range_: str = ""


@dataclass(frozen=True, slots=True)
class StripData:
    """Memory now, in GiB.

    Attributes:
        total: All memory.
        used: Neither free, cache nor huge pages.
        huge: Reserved as huge pages.
        cache: Page cache.
        free: Free.
        available: MemAvailable: the number that matters; None where the kernel does not tell.
        swap_text: `no swap`, `swap 1.2 of 8.0`.
        stalled_pct: PSI some avg10 of memory, in %; None where the kernel has no PSI.
        alarm: Why and when memory ends (`! reaches 0 in 26 s`); empty when it does not.
        load: A load, for pages without a load panel.
        stale: The data are old: numbers turn dim.
    """

    total: float
    used: float
    huge: float
    cache: float
    free: float
    available: float | None
    swap_text: str = ""
    stalled_pct: float | None = None
    alarm: str = ""
    load: StripLoad | None = None
    stale: bool = False


class MemoryStrip(LineWidget):
    """Draws `StripData`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._data = StripData(0, 0, 0, 0, 0, None)

    def show(self, data: StripData) -> None:
        """Show this."""
        if data != self._data:
            self._data = data
            self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """Bar, labels, and the load where there is one."""
        rows = [Row(line) for line in strip_lines(self._data, width)]
        if self._data.load is not None:
            rows.append(Row(load_line(self._data.load, width)))
        return rows


def _bar_start(width: int) -> int:
    return 9 if width >= 110 else 5


def strip_lines(data: StripData, width: int) -> tuple[Line, Line]:
    """The bar with the number that matters, and the labels under their own segments."""
    top, below = Columns(width), Columns(width)
    start, end = _bar_start(width), width - 1 - _NUMBER_FIELD - 2
    top.put(1, "Memory" if width >= 110 else "Mem", "strong")
    if data.alarm:
        chip = f" {clean(data.alarm)} "
        chip_start = top.put_right(end + 1, chip, "chip-alarm")
        end = chip_start - 1
    available: Tone = "failed-bold" if data.alarm else "dim" if data.stale else "strong"
    known = data.available
    share = f"{known / data.total * 100:.0f}" if known is not None and data.total > 0 else "–"
    top.put_line_right(
        width - 1,
        (
            ("–" if known is None else f"{known:.1f} GiB", available),
            (" available", "fg"),
            (f"  {share:>2} %", "fg"),
        ),
    )
    used: Tone = "failed" if data.alarm else "used"
    segments: tuple[tuple[str, float, str, Tone], ...] = (
        ("used", data.used, "█", used),
        ("huge pages", data.huge, "▓", "huge"),
        ("cache", data.cache, "▒", "cache"),
        ("free", data.free, "·", "faint"),
    )
    cells = shares([amount for _, amount, _, _ in segments], end - start)
    labels: list[tuple[int, Line]] = []
    column, next_free = start, start
    if data.total <= 0:  # nothing is known of it: no bar and no zeros
        segments, cells = (), ()
    for (name, amount, texture, tone), size in zip(segments, cells, strict=True):
        top.put(column, texture * size, tone)
        if amount > 0 or name != "huge pages":
            label = _label(name, amount, tone, stale=data.stale)
            place = max(column, next_free)
            labels.append((place, label))
            next_free = place + width_of(label) + 2
        column += size
    _put_labels(below, labels, _put_right(below, data, width, labels_end=next_free - 2))
    return top.line(), below.line()


def _put_labels(below: Columns, labels: Sequence[tuple[int, Line]], end: int) -> None:
    """Each label that ends two columns before `end`, and the unit once, after the last of them."""
    after = 0
    for place, label in labels:
        if place + width_of(label) + 2 > end:
            return
        after = below.put_line(place, label)
    if labels and after + 4 + 2 <= end:
        below.put(after, " GiB", "dim")


def _label(name: str, amount: float, tone: Tone, *, stale: bool) -> Line:
    name_tone: Tone = "dim" if tone == "faint" else tone
    return ((f"{name} ", name_tone), (f"{amount:.1f}", "dim" if stale else "fg"))


def _put_right(below: Columns, data: StripData, width: int, *, labels_end: int) -> int:
    """Swap and stall at the right, as fully as the labels leave room; the column they begin at."""
    forms = _right_forms(data, width)
    for line in forms:
        if width - 1 - width_of(line) >= labels_end + 2:
            return below.put_line_right(width - 1, line)
    return below.put_line_right(width - 1, forms[-1])


def _right_forms(data: StripData, width: int) -> Sequence[Line]:
    """Fullest first."""
    swap: Segment = (clean(data.swap_text), "dim")
    word, gap = ("stalled", "     ") if width >= 110 else ("stall", "  ")
    if data.stalled_pct is None:
        return ((swap,),)
    loud = data.stalled_pct >= 5
    stalled: Line = (
        (f"{word} ", "dim"),
        (f"{data.stalled_pct:.1f}", "differs-bold" if loud else "dim" if data.stale else "fg"),
        (" %", "differs-bold" if loud else "fg"),
    )
    first: Line = (swap, (gap, "dim")) if data.swap_text else ()
    long = (*stalled, (" of 10 s", "dim"))
    if width < 110:
        return ((*first, *stalled), stalled)
    return ((*first, *long), (*first, *stalled), long, stalled)


def load_line(load: StripLoad, width: int) -> Line:
    """The load in one line: share, bar, rate, time left, its range."""
    columns = Columns(width)
    start = _bar_start(width)
    columns.put(1, "Load" if width >= 110 else "Ld", "strong")
    percent = "–" if load.fraction is None else f"{load.fraction * 100:.0f} %"
    columns.put_right(start + 4, percent, "strong")
    right: Line = (
        (clean(load.rate), "fg"),
        ("   ", "fg"),
        (clean(load.left), "strong"),
    )
    if load.range_ and width >= 110:
        right = (*right, ("  ", "fg"), (clean(load.range_), "dim"))
    field = _LOAD_FIELD if width >= 110 else _LOAD_FIELD_SHORT
    edge = min(columns.put_line_right(width - 1, right), width - 1 - field)
    draw_bar(columns, start + 5, edge - 2, load.fraction, "cache", "load-edge")
    return columns.line()

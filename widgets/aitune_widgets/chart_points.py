"""What a chart draws, and the arithmetic before it is drawn: finite, clamped, few points.

Nothing here draws. plotext ends the process on NaN and on points far outside its limits, so all
points come through `dots_of`, which can give neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.text import Segment
    from aitune_widgets.theme import Tone


@dataclass(frozen=True, slots=True)
class Series:
    """One line or area.

    Attributes:
        name: `available`.
        letter: `a`: tells series apart where there is no colour.
        tone: Its tone.
        points: One value each `ChartData.step`, oldest first, newest now; None is not known.
        style: A line, or an area down to 0.
        keep: Which value stands for those that share a dot: the worst one. By default the
            smallest of what is `available`, the largest of everything else.
        end: What stands at its right end; by default its newest value, rounded.
    """

    name: str
    letter: str
    tone: Tone
    points: tuple[float | None, ...]
    style: Literal["line", "area"] = "line"
    keep: Literal["", "min", "max"] = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened: a faint line through the chart, named below the axis.

    Attributes:
        age_s: How long ago, s.
        text: `▸ load starts`.
        tone: Tone of the name.
    """

    age_s: float
    text: str
    tone: Tone = "dim"


@dataclass(frozen=True, slots=True)
class ChartData:
    """A chart over the last `seconds`.

    Attributes:
        title: Stands on the chart's own first line; empty where a rule above says it.
        unit: Unit of the values, after the title.
        seconds: Width of the time axis.
        series: Drawn in this order: later ones over earlier ones.
        markers: Events.
        top: Upper end of the value axis; 0 takes a round number above the largest value.
        end_labels: Write the newest value of each series at its right end.
        note: After the unit: `all devices`.
        step: Seconds between two points.
        empty: A sentence drawn over a chart that has nothing to show yet.
        now: Time of the newest point, s on any clock that only goes forward; None asks one.
    """

    title: str = ""
    unit: str = ""
    seconds: int = 300
    series: tuple[Series, ...] = ()
    markers: tuple[Marker, ...] = ()
    top: float = 0.0
    end_labels: bool = True
    note: str = ""
    step: float = 1.0
    empty: str = ""
    now: float | None = None


class Dot(NamedTuple):
    """A dot of the raster: column from the left, row from the bottom."""

    column: int
    row: int


_LARGEST = 1e18
"""Values beyond this are cut to it: no axis of ours goes further, and no arithmetic overflows."""


def finite(value: float | None) -> float | None:
    """The value if it is a number that can be drawn, else None; never below 0."""
    if value is None or not math.isfinite(value):
        return None
    return min(_LARGEST, max(0.0, value))


def axis_top(data: ChartData) -> float:
    """The upper end of the value axis: what was asked for, or the next 1, 2 or 5 above the data."""
    asked = finite(data.top)
    if asked:
        return asked
    known = [v for s in data.series for p in s.points if (v := finite(p)) is not None]
    largest = max(known, default=0.0)
    if largest <= 1e-9:
        return 1.0
    base = 10.0 ** math.floor(math.log10(largest))
    return next((m * base for m in (1.0, 2.0, 5.0) if m * base >= largest), 10.0 * base)


def dot_row(value: float, top: float, rows: int) -> int:
    """The row of dots of a value, 0 at the bottom; values beyond the axis stay on its edge."""
    share = min(1.0, max(0.0, value / top)) if top > 0 else 0.0
    return round(share * (rows - 1))


def dots_of(
    series: Series, *, seconds: float, step: float, top: float, columns: int, rows: int, now: float
) -> list[list[Dot]]:
    """The runs of dots of a series, at most one in a column; a run ends where values are unknown.

    Columns are tied to the clock `now`, not to the newest point: a chart that moves on by one
    column shows the same dots, one column further left.
    """
    if columns < 1 or rows < 1 or seconds <= 0 or step <= 0:
        return []
    per_column = seconds / columns
    newest = math.floor(now / per_column)
    smallest = series.keep == "min" or (not series.keep and series.tone == "available")
    runs: list[list[Dot]] = [[]]
    for age, point in _recent(series.points, seconds, step):
        value = finite(point)
        if value is None:
            runs.append([])
            continue
        column = columns - 1 - (newest - math.floor((now - age) / per_column))
        row = dot_row(value, top, rows)
        if not 0 <= column < columns:
            continue
        run = runs[-1]
        if run and run[-1].column == column:
            pick = min if smallest else max
            run[-1] = Dot(column, pick(run[-1].row, row))
        else:
            run.append(Dot(column, row))
    return [run for run in runs if run]


def _recent(
    points: Sequence[float | None], seconds: float, step: float
) -> list[tuple[float, float | None]]:
    """Age and value of the points on the axis, oldest first."""
    count = min(len(points), int(min(seconds / step, 1e6)) + 1)
    return [(step * (count - 1 - i), p) for i, p in enumerate(points[len(points) - count :])]


def marker_column(marker: Marker, seconds: float, columns: int) -> int | None:
    """The cell column of a marker; None when it is off the axis."""
    if not math.isfinite(marker.age_s) or not 0 <= marker.age_s <= seconds or seconds <= 0:
        return None
    return max(0, columns - 1 - int(marker.age_s / seconds * columns))


def spread_labels(wanted: Sequence[int], rows: int) -> list[int | None]:
    """Rows for labels that want these rows: near them, in their order, never two on one.

    Labels that find no row get None: those last in the list go first.
    """
    kept = list(range(min(len(wanted), rows)))
    order = sorted(kept, key=lambda index: (wanted[index], index))
    out: list[int | None] = [None] * len(wanted)
    previous = -1
    for index in order:
        previous = max(previous + 1, min(rows - 1, max(0, wanted[index])))
        out[index] = previous
    limit = rows
    for index in reversed(order):
        row = out[index]
        if row is not None and row >= limit:
            out[index] = row = limit - 1
        limit = row if row is not None else limit
    return out


def number(value: float | None, top: float) -> str:
    """A value at its line's end: whole numbers where the axis is long, one decimal elsewhere."""
    known = finite(value)
    if known is None:
        return "–"
    return tick(known, top) if top >= 20 or known >= 100 else f"{known:.1f}"


def tick(value: float, top: float) -> str:
    """A value on the axis, in at most four characters."""
    if value >= 10_000:
        for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
            if value >= size:
                shown = min(999, round(value / size))
                return f"{shown}{letter}"
    return f"{value:.0f}" if top >= 4 or value in (0.0, 1.0, 2.0) else f"{value:.2g}"[:4]


def time_label(seconds: int) -> str:
    """The left end of the time axis: `-5 min`."""
    return f"-{seconds // 60} min" if seconds >= 120 and seconds % 60 == 0 else f"-{seconds} s"


def legend(data: ChartData, *, letters: bool = False) -> tuple[Segment, ...]:
    """The names of the series in their own tones, for the rule above the chart."""
    out: list[Segment] = []
    for series in data.series:
        text = f"{series.letter} {series.name}" if letters else series.name
        out.append((" " + text if out else text, series.tone))
    return (*out, (f"  {data.unit}", "dim")) if data.unit else tuple(out)

"""Bars in eighths of a cell, and strips of small columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.text import Columns
    from aitune_widgets.theme import Tone

_LEFT: Final = " ▏▎▍▌▋▊▉"
_UP: Final = " ▁▂▃▄▅▆▇█"


def unit(value: float | None) -> float:
    """A share clamped to 0..1; what is not a finite number is 0."""
    if value is None or not math.isfinite(value):
        return 0.0
    return min(1.0, max(0.0, value))


def draw_bar(
    columns: Columns, start: int, end: int, fraction: float | None, tone: Tone, edge: Tone
) -> None:
    """Draw a bar between two columns: full cells, an eighth at its end, then the track."""
    width = max(0, end - start)
    eighths = round(unit(fraction) * width * 8)
    full, part = divmod(eighths, 8)
    columns.put(start, "█" * full, tone)
    rest = start + full
    if part and rest < end:
        columns.put(rest, _LEFT[part], edge)
        rest += 1
    columns.put(rest, "░" * (end - rest), "track")


def column_of(height: float | None, *, top: int = 8) -> str:
    """A column of 1 to `top` eighths; `·` where nothing is known.

    Zero is drawn as one eighth, so that a core that sleeps is still there. With `top` 7 two full
    strips on neighbouring lines do not melt into one.
    """
    if height is None or not math.isfinite(height):
        return "·"
    return _UP[max(1, min(top, round(unit(height) * 8)))]


def shares(parts: Sequence[float], width: int) -> tuple[int, ...]:
    """Cells of each part of a whole of `width`: boundaries are rounded, so nothing adds up wrong.

    A part that is more than nothing gets a cell where its larger neighbours can spare one.
    """
    total = sum(unit_free(part) for part in parts)
    if total <= 0 or width <= 0:
        return (0,) * len(parts)
    ends: list[int] = []
    seen = 0.0
    for part in parts:
        seen += unit_free(part)
        ends.append(round(seen / total * width))
    cells = [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    for index, part in enumerate(parts):
        richest = max(range(len(cells)), key=cells.__getitem__)
        if unit_free(part) / total * width >= 0.25 and cells[index] == 0 and cells[richest] > 1:
            cells[index] += 1
            cells[richest] -= 1
    return tuple(cells)


def unit_free(value: float) -> float:
    """A finite amount, not below 0."""
    return value if math.isfinite(value) and value > 0 else 0.0

"""The charts: memory, what the disks read, what memory keeps waiting; one time axis for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_tui.sentences import CHART_FILLS
from aitune_widgets.chart_points import ChartData, Marker, Series
from aitune_widgets.glyphs import GLYPHS

if TYPE_CHECKING:
    from aitune_tui.view import View
    from aitune_widgets.text import Line
    from aitune_widgets.theme import Tone

WINDOWS = (60, 300, 900)


def window_text(seconds: int) -> str:
    """The title of the charts: `Last 5 min`."""
    return f"Last {seconds // 60} min"


def legend(view: View) -> Line:
    """The names of the series of memory, in their colours."""
    used: Tone = "failed" if view.history.runs_out.seconds is not None else "used"
    return (
        ("available ", "available"),
        ("cache ", "cache"),
        ("used", used),
        ("  GiB", "dim"),
    )


def _markers(view: View) -> tuple[Marker, ...]:
    seconds = view.chart_seconds
    return tuple(
        Marker(view.now - event.at, f"{GLYPHS[event.glyph]} {event.text}", event.tone)
        for event in view.history.events(view.now, seconds)
    )


def memory_chart(view: View) -> ChartData:
    """Available, cache and used, in GiB, up to all memory."""
    history, now, seconds = view.history, view.now, view.chart_seconds
    alarm = history.runs_out.seconds is not None
    sample = view.state.sample
    total = sample.memory.total / 2**30 if sample and sample.memory else 0.0
    return ChartData(
        unit="GiB",
        seconds=seconds,
        series=(
            Series("cache", "c", "cache", history.series(now, seconds, lambda p: p.cache)),
            Series(
                "used",
                "u",
                "failed" if alarm else "used",
                history.series(now, seconds, lambda p: p.used),
            ),
            Series(
                "available",
                "a",
                "available",
                history.series(now, seconds, lambda p: p.available),
            ),
        ),
        markers=_markers(view),
        top=_round_up(total),
        empty=CHART_FILLS if history.is_new else "",
        now=now,
    )


def _round_up(total: float) -> float:
    """An end of the axis that holds all memory, in numbers people read: 1007.5 is 1000."""
    step = 1.0
    while total / step >= 100:
        step *= 10
    return max(1.0, round(total / step) * step)


def disk_chart(view: View) -> ChartData:
    """What all disks read together, in GB/s."""
    points = view.history.series(view.now, view.chart_seconds, lambda p: p.read)
    return ChartData(
        title="disk read",
        unit="GB/s",
        note="all devices",
        seconds=view.chart_seconds,
        series=(Series("disk read", "", "cache", points, "area"),),
        markers=_markers(view),
        # Below 1 GB/s a scale of its own would make noise look like a load.
        top=0.0 if any(point is not None and point > 1 for point in points) else 1.0,
        now=view.now,
    )


def stall_chart(view: View) -> ChartData:
    """How long something waited for memory, in per cent of ten seconds."""
    points = view.history.series(view.now, view.chart_seconds, lambda p: p.stalled)
    known = [point for point in points if point is not None]
    return ChartData(
        title="stalled on memory",
        unit="% of 10 s",
        seconds=view.chart_seconds,
        series=(Series("stalled", "", "huge", points, "area"),),
        markers=_markers(view),
        top=10.0 if not known or max(known) <= 10 else 0.0,
        now=view.now,
    )

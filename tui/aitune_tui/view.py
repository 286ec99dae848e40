"""What a screen is given to draw: everything that is known at one moment. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from aitune_backends.machine import Machine
    from aitune_tui.history import History
    from aitune_tui.measuring import Measuring
    from aitune_tui.present_load import LoadTrack
    from aitune_tui.state import State

Layout: TypeAlias = Literal["tiny", "compact", "normal", "wide"]

NORMAL_COLUMNS = 110
NORMAL_ROWS = 36
WIDE_COLUMNS = 180
LEAST_COLUMNS = 60
LEAST_ROWS = 16


def layout_for(width: int, height: int) -> Layout:
    """How a terminal of this size is used.

    `compact` is one column: the work list instead of the panels. It serves terminals that are
    narrow and those that are short.
    """
    if width < LEAST_COLUMNS or height < LEAST_ROWS:
        return "tiny"
    if width < NORMAL_COLUMNS or height < NORMAL_ROWS:
        return "compact"
    return "wide" if width >= WIDE_COLUMNS else "normal"


@dataclass(frozen=True, slots=True)
class View:
    """One moment.

    Attributes:
        machine: What is looked at.
        state: What is known and prepared.
        history: The readings of the last minutes.
        track: The rates of the load that is going on.
        measuring: Load tests: the files chosen, the one that runs, the results.
        layout: How the terminal is used.
        width, height: Its size.
        now: Monotonic seconds.
        wall: Seconds since the epoch.
        seconds_left: Until the open trial goes back, None without one.
        ends: When that is, seconds since the epoch.
        interval: Seconds between two samples.
        chart_seconds: What the charts show.
        slow_link: Few bytes for the terminal.
        uid: Ours, as the helper sees it.
        painted: Whether the first picture is on the screen: charts and their library wait for it.
    """

    machine: Machine
    state: State
    history: History
    track: LoadTrack
    measuring: Measuring
    layout: Layout
    width: int
    height: int
    now: float
    wall: float
    seconds_left: float | None
    ends: float
    interval: float
    chart_seconds: int
    slow_link: bool
    uid: int
    painted: bool

    @property
    def is_compact(self) -> bool:
        """Whether there is one column only."""
        return self.layout in {"compact", "tiny"}
